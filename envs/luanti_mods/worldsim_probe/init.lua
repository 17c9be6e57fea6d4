-- Client side: one line on the log for every frame, before that frame is drawn.
-- "@worldsim client" and then: frame, seconds since the frame before, camera x y z, velocity x y z,
-- yaw and pitch in radians (yaw counter-clockwise, pitch positive up), 1 on the ground, health, a full stop.
local frame = 0

minetest.register_globalstep(function(dtime)
  frame = frame + 1
  local player, camera = minetest.localplayer, minetest.camera
  if not player or not camera then return end
  local eye, speed = camera:get_pos(), player:get_velocity()
  minetest.log("action", string.format("@worldsim client %d %.6f %.6f %.6f %.6f %.6f %.6f %.6f %.9f %.9f %d %d .",
    frame, dtime, eye.x, eye.y, eye.z, speed.x, speed.y, speed.z,
    camera:get_look_horizontal(), camera:get_look_vertical(),
    player:is_touching_ground() and 1 or 0, player:get_hp()))
end)
