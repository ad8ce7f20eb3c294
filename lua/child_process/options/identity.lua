--- The options for a child's identity and resources: ids, groups, limits, rights.
--
-- Names of users and groups are looked up here, before the start.  A later refusal by the
-- system is a failed start, whose stage has the option's name.
local checks = require 'child_process.options.checks'
local core = require 'child_process.core'
local errors = require 'child_process.errors'

local M = {}

local function refuse(err)
  error(err, 0)
end

-- Ids -----------------------------------------------------------------------------------

-- Any string is a name, also '0'.
local function look_up(find, kind)
  return function(value, name)
    if type(value) == 'number' then
      return checks.id(value, name)
    elseif type(value) ~= 'string' then
      refuse(errors.invalid_arg_type(name, 'one of type number or string', value))
    end
    local id, errno = find(checks.text(value, name))
    if id then
      return id
    elseif core.errname(errno) == 'ENOENT' then
      refuse(errors.invalid_arg_value(name, ('is not a %s here'):format(kind), value))
    end
    local reason = ('could not be looked up: %s'):format(core.errname(errno))
    refuse(errors.invalid_arg_value(name, reason, value))
  end
end

--- identity.user(value, name) -> uid, from a user's name or number.
-- Raises ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE. getpwnam_r(3).
M.user = look_up(core.find_user, 'user')

--- identity.group(value, name) -> gid, likewise.  getgrnam_r(3).
M.group = look_up(core.find_group, 'group')

--- identity.groups(value, name) -> 'init', or an array of gids.
function M.groups(value, name)
  if value == 'init' then
    return value
  elseif type(value) ~= 'table' then
    refuse(errors.invalid_arg_type(name, "an array or 'init'", value))
  end
  local _, count = checks.array(value, name)
  local list = {}
  for i = 1, count do
    list[i] = M.group(rawget(value, i), ('%s[%d]'):format(name, i))
  end
  return list
end

--- identity.process_group(value, name) -> 0 for a new group, the number of the one to
-- join, or nil for ours.
function M.process_group(value, name)
  if type(value) == 'boolean' then
    return value and 0 or nil
  elseif type(value) ~= 'number' then
    refuse(errors.invalid_arg_type(name, 'one of type boolean or number', value))
  end
  return checks.integer(1, 2 ^ 31 - 1)(value, name)
end

-- Limits --------------------------------------------------------------------------------

local NO_LIMIT = -1
local MAX_LIMIT = 2 ^ 53 - 1

local function limit(value, name)
  if value == math.huge then
    return NO_LIMIT
  end
  return checks.integer(0, MAX_LIMIT)(value, name)
end

local function limit_pair(value, name)
  if type(value) ~= 'table' then
    local both = limit(value, name)
    return both, both
  end
  local named, count, others = checks.count_keys(value)
  if named + others > 0 or count ~= 2 then
    refuse(errors.invalid_arg_value(name, 'must be a number or { soft, hard }', value))
  end
  local soft, hard = limit(value[1], name .. '[1]'), limit(value[2], name .. '[2]')
  local is_above = hard ~= NO_LIMIT and (soft == NO_LIMIT or soft > hard)
  if is_above then
    refuse(errors.out_of_range(name .. '[1]', '<= the hard limit', value[1]))
  end
  return soft, hard
end

local function resource_names()
  local names = {}
  for name in pairs(core.rlimits) do
    names[#names + 1] = name
  end
  table.sort(names)
  return table.concat(names, ', ')
end

--- identity.rlimits(value, name) -> array of { number, soft, hard }, -1 for no limit.
-- setrlimit(2).
function M.rlimits(value, name)
  if type(value) ~= 'table' then
    refuse(errors.invalid_arg_type(name, 'of type table', value))
  end
  local list = {}
  for resource, limits in next, value do
    local number = core.rlimits[resource]
    if not number then
      local reason = 'has a name that is no resource; there are ' .. resource_names()
      refuse(errors.invalid_arg_value(name, reason, resource))
    end
    list[#list + 1] = { number, limit_pair(limits, ('%s.%s'):format(name, resource)) }
  end
  return list
end

--- identity.nice(value, name) -> integer: absolute, -20 to 19.  setpriority(2).
M.nice = checks.integer(-20, 19)

--- identity.umask(value, name) -> integer: of an integer or octal digits.  umask(2).
M.umask = checks.mode

-- The plan ------------------------------------------------------------------------------

-- The options of this file, and another that makes a group.
local FIELDS = {
  'uid',
  'gid',
  'groups',
  'umask',
  'nice',
  'rlimits',
  'noNewPrivs',
  'processGroup',
  'parentDeathSignal',
  'killDescendants',
}

local LINUX_ONLY = {
  'cgroup',
  'groups',
  'killDescendants',
  'nice',
  'noNewPrivs',
  'parentDeathSignal',
  'processGroup',
  'rlimits',
  'umask',
}

-- Whether the core has to alter anything in the child: most children are like us.
local function alters(plan)
  for i = 1, #FIELDS do
    if plan[FIELDS[i]] then
      return true
    end
  end
end

local function check_backend(plan)
  if core.backend == 'linux' then
    return
  end
  for _, name in ipairs(LINUX_ONLY) do
    if plan[name] then
      refuse(errors.unavailable('options.' .. name, 'uv_spawn cannot do it'))
    end
  end
end

local function groups_of(plan)
  if not plan.uid then
    local reason = "can be 'init' only together with 'uid'"
    refuse(errors.invalid_arg_value('options.groups', reason, 'init'))
  end
  local list, errno = core.groups_of(plan.uid, plan.gid)
  if not list then
    local reason = ("cannot be 'init': the user has no entry (%s)"):format(
      core.errname(errno)
    )
    refuse(errors.invalid_arg_value('options.groups', reason, plan.uid))
  end
  return list
end

-- Options that make the child the leader of a new group or session.
local GROUPED = { 'detached', 'killDescendants', 'pty' }

local function check_group(plan)
  for _, other in ipairs(plan.processGroup and GROUPED or {}) do
    if plan[other] then
      local reason = ("cannot be given with '%s', which makes a group"):format(other)
      local value = plan.processGroup == 0 or plan.processGroup
      refuse(errors.invalid_arg_value('options.processGroup', reason, value))
    end
  end
end

--- identity.apply(plan): combines these options, under the core's names; `alters`: the
-- core must read them.  Raises
-- ERR_INVALID_ARG_VALUE, ERR_FEATURE_UNAVAILABLE_ON_PLATFORM.
function M.apply(plan)
  check_backend(plan)
  plan.alters = alters(plan)
  if not plan.alters then
    return
  end
  check_group(plan)
  if plan.groups == 'init' then
    plan.groups = groups_of(plan)
  end
  plan.deathSignal = plan.parentDeathSignal
  plan.pgid = plan.processGroup
  if plan.killDescendants and not plan.detached and not plan.pty then
    plan.pgid = 0
  end
end

return M
