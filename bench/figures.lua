--- What the figures of bench/run mean: medians, and ratios within a round.
-- SPDX-License-Identifier: MIT
local M = {}

-- The q-quantile of a list of numbers, nil of an empty one.
local function quantile(list, q)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  if #sorted == 0 then
    return nil
  end
  local at = 1 + (#sorted - 1) * q
  local low = sorted[math.floor(at)]
  return low + (sorted[math.ceil(at)] - low) * (at % 1)
end

-- Round by round: both are keyed by the round and may have gaps.
local function ratios(numerators, denominators)
  local list = {}
  for round, value in pairs(numerators) do
    if denominators[round] then
      list[#list + 1] = value / denominators[round]
    end
  end
  return list
end

--- figures.median(per_round) -> number | nil
function M.median(per_round)
  local list = {}
  for _, value in pairs(per_round) do
    list[#list + 1] = value
  end
  return quantile(list, 0.5)
end

-- -> { median, low, high } | nil: of a list, with its middle half.
local function spread(list)
  if #list > 0 then
    return { quantile(list, 0.5), quantile(list, 0.25), quantile(list, 0.75) }
  end
end

--- figures.advantage(is_cost, ours, theirs) -> spread | nil: how many times as fast ours
-- is; as small, of memory.
function M.advantage(is_cost, ours, theirs)
  return spread(is_cost and ratios(theirs, ours) or ratios(ours, theirs))
end

--- figures.growth(ours, base) -> spread | nil: how many times as long ours takes.
function M.growth(ours, base)
  return spread(ratios(ours, base))
end

return M
