# top.awk: what scripts/top shows: two looks at the metrics of many processes become one picture, as text or as JSON.
#
# In `dir` it finds `targets` (an address a line), `bodies/N` (what the N-th address answered; no file: nothing), `redis/targets` and
# `redis/N` (its INFO), and `before` (what this program wrote about the last look), which it replaces. Other variables: now (seconds),
# every (seconds between two looks), format (text, json); for text: rows and columns (0 = as many as it takes), colour (1 = yes),
# hint (stands in the first line).
#
# A process is a number p; what is known of it is value[p, KEY], now and old[p, KEY], then. Process 0 is all of them together.

BEGIN {
    prepare()
    read_all()
    for (p = 1; p <= processes; p++) judge(p)
    add_up()
    if (format == "json") print_json()
    else print_text()
    save()
}

function prepare() {
    simple["segue_sockets"] = "sockets"
    simple["segue_sockets_limit"] = "limit"
    simple["segue_messages_received_total"] = "received"
    simple["segue_messages_sent_total"] = "sent"
    simple["segue_bytes_received_total"] = "bytes_in"
    simple["segue_bytes_sent_total"] = "bytes_out"
    simple["segue_transitions_total"] = "calls"
    simple["segue_opened_total"] = "opened"
    simple["segue_slow_consumers_total"] = "slow"
    simple["segue_pending_calls"] = "pending"
    simple["segue_redis_up"] = "redis_up"
    simple["segue_draining"] = "draining"
    simple["segue_loop_lag_seconds"] = "lag"
    simple["segue_channels"] = "channels"
    simple["process_resident_memory_bytes"] = "memory"
    simple["process_cpu_seconds_total"] = "cpu"
    simple["process_open_fds"] = "files"
    simple["process_start_time_seconds"] = "started"

    latency["segue_delivery_latency_seconds_bucket"] = "delivery"
    latency["segue_redis_latency_seconds_bucket"] = "redis"

    # Where a latency is worth a look, and where somebody will call; in seconds.
    warm["delivery"] = 0.05; hot["delivery"] = 0.25
    warm["redis"] = 0.02;    hot["redis"] = 0.1
    warm["lag"] = 0.1;       hot["lag"] = 0.5
    tint["up"] = 32; tint["draining"] = 33; tint["no redis"] = 31; tint["down"] = 31

    # Columns: title, width, what stands there; the last to be named are the first to go when there is no room.
    column("PROCESS", 0, "address")
    column("STATE", 9, "state")
    column("WS", 7, "websocket")
    column("IN/s", 7, "received")
    column("OUT/s", 7, "sent")
    column("DLV p99", 8, "delivery99")
    column("RDS p99", 8, "redis99")
    column("CPU", 5, "cpu")
    column("MEM", 7, "memory")
    column("LAG", 7, "lag")
    column("POLL", 6, "polling")
    column("NAME", 8, "name")
    column("FILES", 7, "files")
    column("DLV p50", 8, "delivery50")
    column("B IN/s", 8, "bytes_in")
    column("B OUT/s", 8, "bytes_out")
    column("NEW/s", 7, "opened")
    column("GONE/s", 7, "closed")
    column("CALLS", 7, "pending")
    column("RDS p50", 8, "redis50")
}

function column(title, width, what) {
    titles[++column_count] = title
    widths[column_count] = width
    whats[column_count] = what
}

# ---- reading ----

function read_all(   file, line, part, n) {
    file = dir "/before"
    while ((getline line < file) > 0) {
        n = split(line, part, "\t")
        if (part[1] == "now") then = part[2]
        else if (n == 3) remembered[part[1], part[2]] = part[3]
    }
    close(file)
    elapsed = then > 0 && now > then ? now - then : 0
    file = dir "/targets"
    while ((getline line < file) > 0) {
        address[++processes] = line
        read_body(processes, dir "/bodies/" processes)
    }
    close(file)
    file = dir "/redis/targets"
    while ((getline line < file) > 0) {
        redis_address[++redises] = line
        read_info(redises, dir "/redis/" redises)
    }
    close(file)
}

function label(line, name,   at) {
    at = index(line, name "=\"")
    if (!at) return ""
    line = substr(line, at + length(name) + 2)
    return substr(line, 1, index(line, "\"") - 1)
}

# Whoever answers there may not be one of ours: what reaches a terminal is letters, digits and a few signs.
function clean(text) {
    gsub(/[^A-Za-z0-9._+-]/, "", text)
    return substr(text, 1, 24)
}

function read_body(p, file,   line, brace, name, part, number) {
    while ((getline line < file) > 0) {
        if (substr(line, 1, 1) == "#") continue
        number = part[split(line, part, " ")] + 0
        brace = index(line, "{")
        name = brace ? substr(line, 1, brace - 1) : part[1]
        if (name in simple) add(p, simple[name], number)
        else if (name in latency) read_bucket(p, latency[name], label(line, "le"), number)
        else if (name == "segue_connections") add(p, clean(label(line, "transport")), number)
        else if (name == "segue_rejected_total") add_reason(p, "rejected", line, number)
        else if (name == "segue_closed_total" && label(line, "transport") != "http") add_reason(p, "closed", line, number)
        else if (name == "segue_build_info") { answers[p] = 1; version[p] = clean(label(line, "version")) }
        else if (name == "segue_process_info") called[p] = clean(label(line, "name"))
    }
    close(file)
}

function add(p, key, number) {
    if (!((p, key) in value)) key_of[p, ++key_count[p]] = key
    value[p, key] += number
}

function add_reason(p, key, line, number,   reason) {
    reason = clean(label(line, "reason"))
    add(p, key, number)
    add(p, key " " reason, number)
    if (!((key, reason) in reason_known)) {
        reason_known[key, reason] = 1
        reasons[key, ++reason_count[key]] = reason
    }
}

function read_bucket(p, which, le, number) {
    le = clean(le)
    add(p, which " " le, number)
    if (!((which, le) in bound_known)) {
        bound_known[which, le] = 1
        bounds[which, ++bound_count[which]] = le
    }
}

function read_info(r, file,   line, part) {
    while ((getline line < file) > 0) {
        sub(/\r$/, "", line)
        if (split(line, part, ":") == 2) info[r, part[1]] = clean(part[2])
    }
    close(file)
}

# What the next look will want to know of this one.
function save(   file, p, k) {
    file = dir "/before"
    printf "now\t%s\n", now > file
    for (p = 1; p <= processes; p++)
        for (k = 1; k <= key_count[p]; k++)
            printf "%s\t%s\t%.6f\n", address[p], key_of[p, k], value[p, key_of[p, k]] > file
    for (p = 1; p <= redises; p++)
        if ((p, "redis_version") in info) {
            printf "redis %s\tops\t%s\n", redis_address[p], info[p, "total_commands_processed"] > file
            printf "redis %s\tcpu\t%.6f\n", redis_address[p], redis_cpu(p) > file
        }
    close(file)
}

# ---- what it means ----

# The growth since the last look; "" when it is not known: no last look, or another process answered then.
function growth(p, key) {
    if (p == 0) return grown[key]
    if (!elapsed || !answers[p] || !same[p]) return ""
    return value[p, key] - remembered[address[p], key]
}

function rate(p, key,   by) {
    by = growth(p, key)
    return by == "" ? "" : by / elapsed
}

function judge(p) {
    same[p] = value[p, "started"] == remembered[address[p], "started"] + 0 && (address[p], "started") in remembered
    state[p] = !answers[p] ? "down" : value[p, "draining"] ? "draining" : value[p, "redis_up"] ? "up" : "no redis"
    ready += state[p] == "up"
}

# Interpolated within its bucket, as Prometheus does it; "" when nothing was measured since the last look.
function quantile(p, which, q,   i, all, wanted, below, here, lower) {
    all = growth(p, which " +Inf")
    if (all == "" || all <= 0) return ""
    wanted = q * all
    for (i = 1; i <= bound_count[which]; i++) {
        here = growth(p, which " " bounds[which, i])
        if (here >= wanted) {
            if (bounds[which, i] == "+Inf") return lower
            return lower + (bounds[which, i] - lower) * (here > below ? (wanted - below) / (here - below) : 1)
        }
        below = here
        lower = bounds[which, i] + 0
    }
    return lower
}

# Process 0: sums, but for the loop's lag, which is the worst.
function add_up(   p, k, key, by) {
    for (p = 1; p <= processes; p++)
        for (k = 1; k <= key_count[p]; k++) {
            key = key_of[p, k]
            if (key == "lag") value[0, key] = value[p, key] > value[0, key] ? value[p, key] : value[0, key]
            else value[0, key] += value[p, key]
            by = growth(p, key)
            if (by != "") grown[key] = grown[key] + by
        }
}

function redis_cpu(r) { return info[r, "used_cpu_user"] + info[r, "used_cpu_sys"] }

function redis_rate(r, key, value,   id) {
    id = "redis " redis_address[r]
    if (!elapsed || !((id, key) in remembered) || value < remembered[id, key]) return ""
    return (value - remembered[id, key]) / elapsed
}

# ---- text ----

function short(number) {
    if (number == "") return "-"
    number += 0 # what was read from INFO is a text
    if (number < 9.95) return sprintf(number == int(number) ? "%d" : "%.1f", number)
    if (number < 9999.5) return sprintf("%.0f", number)
    if (number < 999950) return sprintf("%.1fk", number / 1000)
    if (number < 999950000) return sprintf("%.1fM", number / 1000000)
    return sprintf("%.1fG", number / 1000000000)
}

function size(bytes) {
    if (bytes == "") return "-"
    bytes += 0
    if (bytes < 1024) return sprintf("%.0f", bytes)
    if (bytes < 1048064) return sprintf(bytes < 102400 ? "%.1fK" : "%.0fK", bytes / 1024)
    if (bytes < 1073217536) return sprintf(bytes < 104857600 ? "%.1fM" : "%.0fM", bytes / 1048576)
    return sprintf("%.1fG", bytes / 1073741824)
}

function span(seconds) {
    if (seconds == "") return "-"
    if (seconds < 0.001) return sprintf("%.0fus", seconds * 1000000)
    if (seconds < 0.1) return sprintf("%.1fms", seconds * 1000)
    if (seconds < 1) return sprintf("%.0fms", seconds * 1000)
    return sprintf("%.1fs", seconds)
}

function painted(text, code) { return colour && code ? "\033[" code "m" text "\033[0m" : text }
function heat(which, seconds) { return seconds == "" ? 0 : seconds >= hot[which] ? 31 : seconds >= warm[which] ? 33 : 0 }
function fit(text) { return columns && length(text) > columns ? substr(text, 1, columns) : text }

# The cell's text; its colour in `ink`.
function cell(p, what,   s) {
    ink = 0
    if (what == "address") return p ? address[p] : "TOTAL"
    if (what == "state") { ink = p ? tint[state[p]] : 0; return p ? state[p] : ready "/" processes }
    if (p && !answers[p]) return "-"
    if (what == "name") return p ? called[p] : ""
    if (what ~ /^(websocket|polling|pending|files)$/) return short(value[p, what] + 0)
    if (what ~ /^(received|sent|opened|closed)$/) return short(rate(p, what))
    if (what ~ /^bytes_/) return size(rate(p, what))
    if (what == "memory") return size(value[p, what] + 0)
    if (what == "cpu") { s = rate(p, what); if (p && s > 0.9) ink = 33; return s == "" ? "-" : sprintf("%.0f%%", s * 100) }
    if (what == "lag") { ink = heat("lag", value[p, "lag"]); return span(value[p, "lag"] + 0) }
    s = what ~ /99$/ ? 0.99 : 0.5
    sub(/..$/, "", what)
    s = quantile(p, what, s)
    ink = heat(what, s)
    return span(s)
}

# Which columns there is room for, in the order in which people read them.
function choose(   c, room) {
    widths[1] = 8
    for (p = 1; p <= processes; p++) if (length(address[p]) > widths[1]) widths[1] = length(address[p])
    room = columns ? columns : 1000
    for (c = 1; c <= column_count; c++) {
        if (room < widths[c]) break
        room -= widths[c]
        chosen[whats[c]] = c
    }
    shown = 0
    split("address name state websocket polling opened closed received sent bytes_in bytes_out delivery50 delivery99 redis50 redis99 pending lag cpu memory files", order, " ")
    for (c = 1; c in order; c++) if (order[c] in chosen) visible[++shown] = chosen[order[c]]
}

function print_row(p,   i, c, text, line) {
    for (i = 1; i <= shown; i++) {
        c = visible[i]
        ink = 0
        text = p < 0 ? titles[c] : cell(p, whats[c])
        text = whats[c] == "address" ? sprintf("%-*s", widths[c], text) : sprintf("%*s", widths[c], text)
        line = line painted(text, p < 0 ? 7 : ink)
    }
    print line
}

# The reasons that moved most, as "4/s peer_lost, 1/s left".
function most(key,   i, n, best, at, text, done, r) {
    for (n = 0; n < 4; n++) {
        best = 0
        for (i = 1; i <= reason_count[key]; i++) {
            r = rate(0, key " " reasons[key, i])
            if (!(i in done) && r != "" && r > best) { best = r; at = i }
        }
        if (best == 0) break
        done[at] = 1
        text = text (n ? ", " : "") short(best) "/s " reasons[key, at]
    }
    return text == "" ? "none" : text
}

function print_redis(   r, line) {
    line = sprintf("redis   from the gateways: %s calls/s, p50 %s, p99 %s, %s waiting", short(rate(0, "calls")), span(quantile(0, "redis", 0.5)),
        span(quantile(0, "redis", 0.99)), short(value[0, "pending"] + 0))
    print fit(line)
    for (r = 1; r <= redises; r++) {
        if (!((r, "redis_version") in info)) {
            print painted(fit("        " redis_address[r] "  does not answer"), 31)
            continue
        }
        s = redis_rate(r, "cpu", redis_cpu(r))
        print fit(sprintf("        %s  %s  %s commands/s  cpu %s  %s clients  memory %s  channels %s", redis_address[r], info[r, "role"],
            short(redis_rate(r, "ops", info[r, "total_commands_processed"])), s == "" ? "-" : sprintf("%.0f%%", s * 100),
            short(info[r, "connected_clients"]), size(info[r, "used_memory"]), short(info[r, "pubsub_channels"] + info[r, "pubsubshard_channels"])))
    }
    return redises + 1
}

function print_text(   used) {
    choose()
    print painted(fit(sprintf("segue   %d of %d ready   %s connections   in %s/s  out %s/s   delivery p50 %s  p99 %s%s", ready, processes,
        short(value[0, "websocket"] + value[0, "polling"]), short(rate(0, "received")), short(rate(0, "sent")),
        span(quantile(0, "delivery", 0.5)), span(quantile(0, "delivery", 0.99)), hint == "" ? "" : "   " hint)), 1)
    used = 1 + print_redis()
    print fit("refused " most("rejected"))
    print fit("closed  " most("closed"))
    print ""
    print_row(-1)
    used += 4 + 1 # and the total
    print_rows(rows && used + processes > rows ? rows - used - 1 : processes)
    print_row(0)
}

# Where there is no room for all, those that are not up come first.
function print_rows(room,   p, all, printed, count) {
    all = room >= processes
    for (p = 1; p <= processes; p++)
        if (room > 0 && (all || state[p] != "up")) { print_row(p); room--; printed[p] = 1; count++ }
    for (p = 1; p <= processes; p++)
        if (room > 0 && !(p in printed)) { print_row(p); room--; count++ }
    if (count < processes) print fit("... and " processes - count " more")
}

# ---- JSON ----

function json_number(n) { return n == "" ? "null" : sprintf("%.6f", n) + 0 }
function json_text(s) { return "\"" s "\"" } # addresses are ours, the rest is clean

function json_numbers(p) {
    return sprintf("\"connections\":{\"websocket\":%s,\"polling\":%s},\"sockets\":%s,\"limit\":%s,\"pending\":%s,\"channels\":%s," \
        "\"lag\":%s,\"memory\":%s,\"files\":%s,", json_number(value[p, "websocket"] + 0), json_number(value[p, "polling"] + 0),
        json_number(value[p, "sockets"] + 0), json_number(value[p, "limit"] + 0), json_number(value[p, "pending"] + 0), json_number(value[p, "channels"] + 0),
        json_number(value[p, "lag"] + 0), json_number(value[p, "memory"] + 0), json_number(value[p, "files"] + 0)) \
        sprintf("\"perSecond\":{\"received\":%s,\"sent\":%s,\"bytesIn\":%s,\"bytesOut\":%s,\"opened\":%s,\"closed\":%s,\"rejected\":%s," \
        "\"slowConsumers\":%s,\"calls\":%s,\"cpu\":%s},", json_number(rate(p, "received")), json_number(rate(p, "sent")), json_number(rate(p, "bytes_in")),
        json_number(rate(p, "bytes_out")), json_number(rate(p, "opened")), json_number(rate(p, "closed")), json_number(rate(p, "rejected")),
        json_number(rate(p, "slow")), json_number(rate(p, "calls")), json_number(rate(p, "cpu"))) \
        sprintf("\"delivery\":{\"p50\":%s,\"p99\":%s},\"redis\":{\"p50\":%s,\"p99\":%s}", json_number(quantile(p, "delivery", 0.5)),
        json_number(quantile(p, "delivery", 0.99)), json_number(quantile(p, "redis", 0.5)), json_number(quantile(p, "redis", 0.99)))
}

function print_json(   r, comma, there) {
    printf "{\"time\":%.3f,\"seconds\":%s,\"ready\":%d,\"processes\":[", now, elapsed ? json_number(elapsed) : "null", ready
    for (p = 1; p <= processes; p++) {
        printf "%s{\"address\":%s,\"state\":%s", (p > 1) ? "," : "", json_text(address[p]), json_text(state[p])
        if (answers[p]) printf ",\"name\":%s,\"version\":%s,%s", json_text(called[p]), json_text(version[p]), json_numbers(p)
        printf "}"
    }
    printf "],\"total\":{%s},\"redis\":[", json_numbers(0)
    for (r = 1; r <= redises; r++) {
        there = (r, "redis_version") in info
        printf "%s{\"address\":%s,\"answers\":%s", comma, json_text(redis_address[r]), there ? "true" : "false"
        if (there)
            printf ",\"role\":%s,\"version\":%s,\"clients\":%s,\"memory\":%s,\"perSecond\":{\"commands\":%s,\"cpu\":%s}", json_text(info[r, "role"]),
                json_text(info[r, "redis_version"]), json_number(info[r, "connected_clients"]), json_number(info[r, "used_memory"]),
                json_number(redis_rate(r, "ops", info[r, "total_commands_processed"])), json_number(redis_rate(r, "cpu", redis_cpu(r)))
        printf "}"
        comma = ","
    }
    printf "]}\n"
}
