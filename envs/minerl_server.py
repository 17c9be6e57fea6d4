"""MineRL behind a pipe: run by the Python of MineRL's own venv, because its gym and numpy are too old for ours.

    python minerl_server.py

Nothing of worldsim is imported, and Python 3.7 suffices. Each request is a JSON line on stdin, each
answer a JSON line on stdout, followed by the frame's bytes where it has a "shape". What MineRL prints
goes to stderr.
"""

import json
import os
import sys


def main():
    """Answer requests until stdin closes."""
    del sys.path[0]  # our own folder: what is imported here is the venv's
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # MineRL and Java print as they like
    env = None
    for line in sys.stdin:
        request = json.loads(line)
        frame = b""
        try:
            if request["op"] == "make":
                env = make(request["task"])
                answer = describe(env)
            elif request["op"] == "reset":
                if request["seed"] is not None:
                    env.seed(request["seed"])
                answer, frame = observed(env.reset())
            else:
                observation, reward, done, info = env.step(to_action(request["action"]))
                answer, frame = observed(observation)
                answer.update(reward=float(reward), done=bool(done), info=plain(info))
        except Exception as error:
            answer = {"error": "{}: {}".format(type(error).__name__, " ".join(str(error).split()))}
        answers.write(json.dumps(answer).encode() + b"\n" + frame)
        answers.flush()
    if env is not None:
        env.close()


def make(task):
    """Make the task's environment; importing MineRL registers the ids."""
    import gym
    import minerl  # noqa: F401

    return gym.make(task)


def describe(env):
    """What the client checks: names and ranges of actions, the frame's shape, the length of an episode."""
    spaces = env.action_space.spaces
    camera = spaces["camera"]
    steps = getattr(getattr(env, "spec", None), "max_episode_steps", None)
    return {
        "keys": sorted(name for name in spaces if name != "camera"),
        "camera": [float(camera.low.min()), float(camera.high.max()), list(camera.shape)],
        "pov": list(env.observation_space.spaces["pov"].shape),
        "max_steps": steps,
    }


def to_action(action):
    """MineRL's own types: integers, and the camera as float32 (an integer array would cut degrees off)."""
    import numpy as np

    made = {name: np.int64(value) for name, value in action.items() if name != "camera"}
    made["camera"] = np.array(action["camera"], dtype=np.float32)
    return made


def observed(observation):
    """The header and the bytes of a frame; what else was observed goes along as JSON."""
    import numpy as np

    frame = np.ascontiguousarray(observation["pov"], dtype=np.uint8)
    rest = {name: value for name, value in observation.items() if name != "pov"}
    return {"shape": list(frame.shape), "observation": plain(rest)}, frame.tobytes()


def plain(value):
    """Numbers, texts, lists and dicts; what can't be told in JSON is left out."""
    if isinstance(value, dict):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value if isinstance(value, (bool, int, float, str)) else None


if __name__ == "__main__":
    main()
