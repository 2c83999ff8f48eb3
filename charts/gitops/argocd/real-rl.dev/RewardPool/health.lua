-- Health of a RewardPool. Lua 5.1 without the string library, as Argo CD runs it.
local status = obj.status or {}

local function find(kind)
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == kind then
      return condition
    end
  end
  return {}
end

if (status.observedGeneration or 0) < (obj.metadata.generation or 1) then
  return { status = "Progressing", message = "The operator has not seen the last change yet" }
end

local ready = find("Ready")
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
local stalled = find("Stalled")
if stalled.status == "True" then
  return { status = "Degraded", message = stalled.message }
end
return { status = "Progressing", message = ready.message or "Waiting for detectors and sandboxes" }
