-- Health of a RealTrainingJob. Lua 5.1 without the string library, as Argo CD runs it.
-- A job has no condition Ready: it trains for days and is Progressing all that time.
local status = obj.status or {}
local conditions = status.conditions or {}

local function holds(kind)
  for _, condition in ipairs(conditions) do
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

local message = status.phase or "Pending"
if status.phase == "Running" and status.progress then
  message = message .. ": step " .. (status.progress.step or 0) .. " of " .. (status.progress.totalSteps or "?")
else
  for _, condition in ipairs(conditions) do
    if status.reason and condition.reason == status.reason then
      message = message .. ": " .. condition.message
      break
    end
  end
end
return { status = "Progressing", message = message }
