-- luacheck for the scripts that run inside Redis: Lua 5.1 without its libraries for files and processes.
std = {
    read_globals = {
        'redis', 'KEYS', 'ARGV', 'string', 'table', 'math', 'unpack', 'tonumber', 'tostring', 'type', 'ipairs', 'pairs',
        'next', 'select', 'error', 'pcall',
    },
}
max_line_length = 120

-- What lib/*.lua defines is in reach of every script, because the build puts it in front of those that name it; read it from
-- there, so that there is no second list.
local shared = {}
for file in io.popen('ls scripts/lua/lib/*.lua'):lines() do
    for line in io.lines(file) do
        local names = line:match('^local function ([%w_]+)') or line:match('^local ([%w_, ]+)')
        for name in (names or ''):gmatch('[%w_]+') do
            shared[#shared + 1] = name
        end
    end
end
files['scripts/lua'] = { read_globals = shared }
files['scripts/lua/lib'] = { ignore = { '211' } }
