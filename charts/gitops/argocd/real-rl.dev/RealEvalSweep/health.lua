-- Health of a RealEvalSweep. Lua 5.1 without the string library, as Argo CD runs it.
local status = obj.status or {}

local function holds(kind)
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == kind and condition.status == "True" then
      return condition
    end
  end
end

if (status.observedGeneration or 0) < (obj.metadata.generation or 1) then
  return { status = "Progressing", message = "The operator has not seen the last change yet" }
end

-- The first that holds decides.
for _, rule in ipairs({
  { "Complete", "Healthy" },
  { "Failed", "Degraded" },
  { "Stalled", "Degraded" },
  { "Suspended", "Suspended" },
}) do
  local condition = holds(rule[1])
  if condition then
    return { status = rule[2], message = condition.message }
  end
end

-- Everything there is to evaluate is; the next time or checkpoint brings more.
if status.phase == "Waiting" then
  return { status = "Healthy" }
end

local message = status.phase or "Pending"
if status.counts then
  message = message .. ": " .. (status.counts.succeeded or 0) .. " of " .. (status.counts.total or 0) .. " cells"
end
return { status = "Progressing", message = message }
