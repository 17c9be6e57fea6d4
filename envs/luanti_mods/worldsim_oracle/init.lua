-- Server side: "@worldsim server" and one JSON object on the log for every step, and commands from a file.
-- worldsim_setup.json in the world's folder says how a new player begins; worldsim_commands.json,
-- renamed into place, is {"id": n, "commands": [{"op": ..., ...}]}.
local folder = minetest.get_worldpath()
local REACH = 4.0
local events = {broken = {}, placed = {}}
local errors, died, step, seconds, last_id = {}, false, 0, 0, 0
local ready = false -- the land around the player is there

local function read_json(name)
  local file = io.open(folder .. "/" .. name, "r")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return minetest.parse_json(text)
end

local setup = read_json("worldsim_setup.json") or {}
local vec = function(list) return {x = list[1], y = list[2], z = list[3]} end
local triple = function(v) return {v.x, v.y, v.z} end
local described = function(name, pos) return {name = name, id = minetest.get_content_id(name), at = triple(pos)} end

-- ---- where a player begins ----

local function load_land(player)
  ready = false
  local here, reach = vector.round(player:get_pos()), setup.load_radius or 40
  local low, high = vector.subtract(here, reach), vector.add(here, reach)
  low.y, high.y = here.y - 24, here.y + 24
  minetest.emerge_area(low, high, function(_, _, left) if left == 0 then ready = true end end)
end

local function set_inventory(player, items)
  local inventory = player:get_inventory()
  inventory:set_list("main", {})
  for slot, item in ipairs(items) do inventory:set_stack("main", slot, ItemStack(item)) end
end

-- The mapgen's own answer to where one can stand: land, not water, no cliff in the air.
local function find_spawn()
  for _, place in ipairs(setup.spawns or {}) do
    if place[3] then return vec(place) end
    local y = minetest.get_spawn_level(place[1], place[2])
    if y then return {x = place[1], y = y, z = place[2]} end
  end
end

minetest.register_on_newplayer(function(player)
  local place = find_spawn()
  if place then player:set_pos(place) end
end)

minetest.register_on_respawnplayer(function(player)
  local place = find_spawn()
  if place then player:set_pos(place) end
  return place ~= nil
end)

minetest.register_on_joinplayer(function(player)
  player:set_armor_groups({fleshy = 100, immortal = setup.damage and 0 or 1})
  player:hud_set_hotbar_itemcount(9)
  if setup.hud == false then
    player:hud_set_flags({hotbar = false, healthbar = false, crosshair = false, wielditem = false,
      breathbar = false, minimap = false})
  end
  if setup.time then minetest.set_timeofday(setup.time) end
  if setup.inventory then set_inventory(player, setup.inventory) end
  if setup.yaw then player:set_look_horizontal(setup.yaw) player:set_look_vertical(setup.pitch or 0) end
  load_land(player)
end)

minetest.register_on_dieplayer(function() died = true end)
minetest.register_on_dignode(function(pos, old) table.insert(events.broken, described(old.name, pos)) end)
minetest.register_on_placenode(function(pos, new) table.insert(events.placed, described(new.name, pos)) end)

-- ---- commands ----

local commands = {}
function commands.time(_, c) minetest.set_timeofday(c.value) end
function commands.inventory(player, c) set_inventory(player, c.items) end
function commands.health(player, c) player:set_hp(c.value) end
function commands.look(player, c)
  player:set_look_horizontal(c.yaw)
  player:set_look_vertical(c.pitch)
end
function commands.teleport(player, c)
  player:set_pos(vec(c.pos))
  load_land(player)
end
function commands.set_block(_, c) minetest.set_node(vec(c.pos), {name = c.name}) end

local function obey()
  local list = read_json("worldsim_commands.json")
  if not list or list.id == last_id then return end
  last_id = list.id
  local player = minetest.get_connected_players()[1]
  for _, c in ipairs(list.commands or {}) do
    local ok, problem = pcall(commands[c.op] or function() error("no such command") end, player, c)
    if not ok then table.insert(errors, tostring(c.op) .. ": " .. tostring(problem)) end
  end
end

-- ---- what is the case ----

local function looked_at(player)
  local eye = player:get_pos()
  eye.y = eye.y + player:get_properties().eye_height
  local far = vector.add(eye, vector.multiply(player:get_look_dir(), REACH))
  for thing in minetest.raycast(eye, far, false, false) do
    local name = minetest.get_node(thing.under).name
    return described(name, thing.under)
  end
end

local function hotbar(player)
  local slots, inventory = {}, player:get_inventory()
  for slot = 1, 9 do
    local stack = inventory:get_stack("main", slot)
    local known = minetest.registered_items[stack:get_name()]
    slots[slot] = {stack:get_name(), stack:get_count(), known and known.type or "none"}
  end
  return slots
end

local function liquid(pos)
  local known = minetest.registered_nodes[minetest.get_node(pos).name]
  return known ~= nil and known.liquidtype ~= nil and known.liquidtype ~= "none"
end

local function describe(state, player)
  local feet = player:get_pos()
  local eye = {x = feet.x, y = feet.y + player:get_properties().eye_height, z = feet.z}
  local biome = minetest.get_biome_data(feet)
  state.pos, state.yaw, state.pitch = triple(feet), player:get_look_horizontal(), player:get_look_vertical()
  state.health, state.breath = player:get_hp(), player:get_breath()
  state.slot, state.hotbar = player:get_wield_index(), hotbar(player)
  state.target = looked_at(player)
  state.in_water = liquid({x = feet.x, y = feet.y + 0.4, z = feet.z})
  state.under_water = liquid(eye)
  state.light = minetest.get_node_light(eye) or -1
  state.sky_light = minetest.get_natural_light(eye, 0.5) or -1
  state.biome = biome and minetest.get_biome_name(biome.biome) or ""
end

minetest.register_globalstep(function(dtime)
  step, seconds = step + 1, seconds + dtime
  obey()
  local player = minetest.get_connected_players()[1]
  local state = {step = step, dtime = dtime, seconds = seconds, command = last_id, ready = ready,
    time_of_day = minetest.get_timeofday(), died = died, broken = events.broken, placed = events.placed,
    errors = errors}
  if player then describe(state, player) end
  events, errors, died = {broken = {}, placed = {}}, {}, false
  minetest.log("action", "@worldsim server " .. minetest.write_json(state))
end)
