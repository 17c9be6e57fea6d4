"""Pictures from anywhere: PNG, JPEG and WEBP, or one line."""

import os

import numpy as np
import pytest
from PIL import Image

from worldsim.errors import MediaError
from worldsim.play import image
from worldsim.play.image import load_image, resize_frames


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_the_middle_of_a_picture_fills_the_frame(tmp_path, name):
    picture = np.zeros((100, 400, 3), np.uint8)
    picture[:, 150:250] = (200, 100, 50)
    Image.fromarray(picture).save(tmp_path / name, quality=95)
    frame = load_image(tmp_path / name, 96, 96)
    assert frame.shape == (96, 96, 3) and frame.dtype == np.uint8
    assert np.abs(frame[48, 48].astype(int) - (200, 100, 50)).max() < 12


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA", "I;16", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, (50, 30)).save(path)
    assert load_image(path, 64, 48).shape == (48, 64, 3)


def cut_short(path):
    Image.effect_noise((200, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[:900])


BAD = {
    "text": lambda p: p.write_text("not a picture"),
    "empty": lambda p: p.write_bytes(b""),
    "cut short": cut_short,
    "gif": lambda p: Image.new("P", (9, 9)).save(p, "GIF"),
    "folder": lambda p: p.mkdir(),
    "missing": lambda p: None,
    "pipe": lambda p: os.mkfifo(p),
    "pixels": lambda p: Image.new("1", (9000, 9000)).save(p),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_one_line(tmp_path, kind):
    path = tmp_path / "a.png"
    BAD[kind](path)
    with pytest.raises(MediaError) as error:
        load_image(path, 64, 48)
    assert "\n" not in str(error.value) and "a.png" in str(error.value)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "MAX_FILE_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1001))
    with pytest.raises(MediaError, match="1001 bytes, expected at most 1000"):
        load_image(tmp_path / "a.png", 64, 48)


def test_a_path_that_cannot_be_one():
    with pytest.raises(MediaError):
        load_image("a\0b.png", 64, 48)


def test_frames_that_fit_are_left_alone():
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    assert resize_frames(frames, 64, 48) is frames
    assert resize_frames(frames, 32, 32).shape == (2, 32, 32, 3)
