-- batch_begin: a batch that has an Idempotency-Key begins, or begins again. Its operations have keys of their own.
-- uses: time once
--
-- Atomic because two batches with one key may come at the same time.
-- Returns {outcome}; refused: another batch has that key.

local once = unpack(KEYS)
local mark = unpack(ARGV)

return answered(once, mark) or answer_once(once, mark, {'applied'})
