-- One filter for both engines: pandoc runs it on every format of the built-in engine, and
-- Quarto runs it through `filters:` in _quarto.yml. It knows the displays (divs with class
-- `tlf`), and, where Quarto is not there to do it, callouts and format conditions.
--
-- A display comes as: a div .tlf-caption with spans .tlf-number .tlf-title .tlf-population, and
-- .tlf-part after the title of one of several pages (lists of displays leave it out); a raw
-- HTML table or a paragraph with an image; a div .tlf-notes.

local QUARTO = quarto ~= nil
local function is(name) return FORMAT:match(name) ~= nil end
local TYPST, HTML, DOCX = is("typst"), is("html"), is("docx")

local BREAK_AFTER = 24 -- a word longer than this may be broken in a table cell of the PDF

-- Typst ---------------------------------------------------------------------------------------

-- A string literal of Typst. Text from the data reaches Typst as literals only, so that no
-- character of it can be read as markup.
local MAY_BREAK = "\u{200B}" -- where a line may end within a long word: no character of any output

local function literal(text)
  text = text:gsub(MAY_BREAK, ""):gsub("\\", "\\\\"):gsub('"', '\\"')
  text = text:gsub("%c", function(c) return string.format("\\u{%x}", c:byte()) end)
  return '#"' .. text .. '"'
end

-- Markup of a text. Where a long word may be broken there is a space without width, not a character: a reader who copies a
-- checksum has its characters and nothing else. `written` makes the markup of each piece.
local function broken(text, written)
  if not text:find(MAY_BREAK, 1, true) then return written(text) end
  local pieces = {}
  for piece in (text .. MAY_BREAK):gmatch("(.-)" .. MAY_BREAK) do
    if piece ~= "" then pieces[#pieces + 1] = written(piece) end
  end
  return table.concat(pieces, "#h(0pt)")
end

local function breakable(text)
  local length = utf8.len(text)
  if not length or length <= BREAK_AFTER then return text end
  local parts, count = {}, 0
  for _, code in utf8.codes(text) do
    parts[#parts + 1] = utf8.char(code)
    count = count + 1
    if count % BREAK_AFTER == 0 then parts[#parts + 1] = MAY_BREAK end
  end
  return table.concat(parts)
end

-- What belongs together on one line: a number with its unit, the limits of an interval, a count with its
-- percentage, a word such as "Table" with its number. Their spaces become spaces that do not break.
local HARD = "\u{a0}"
local UNITS, CITED = {}, { Table = true, Figure = true, Listing = true, Section = true, SAP = true, ICH = true, Grade = true, Cycle = true,
  Week = true, Day = true }
for unit in ("% mg mg/m² mg/m2 µg/L ng/mL g/dL mmol/L µmol/L U/L g/L kg cm mL m² h min s months month weeks week days day years year patients"):gmatch("%S+") do
  UNITS[unit] = true
end

local function with_unit(number, word)
  if UNITS[word:gsub("[%.,;:%)]+$", "")] then return number .. HARD .. word end
end

local captions = false -- those are cited and searched, and keep their spaces
local function joined(text)
  if captions or not text:find("%d") or not text:find(" ") then return text end
  text = text:gsub("(%d) ([%a%%µ×][^%s]*)", with_unit)
  text = text:gsub("%(([^%s()]+), ([^%s()]+)%)", "(%1," .. HARD .. "%2)")
  text = text:gsub("(%d) (%([<>]?[%d%.\u{2007}]+%%?%))", "%1" .. HARD .. "%2")
  text = text:gsub("(%d) to ([^%s]*%d)", "%1" .. HARD .. "to" .. HARD .. "%2")
  return (text:gsub("(%a+) (%d)", function(word, digit) if CITED[word] then return word .. HARD .. digit end end))
end

-- Whether a line could end inside a name with a digit, such as an identifier: after its hyphen or stroke.
local function divisible(word)
  return #word <= BREAK_AFTER and word:find("[%-/]%a") ~= nil and word:find("%d") ~= nil and not word:find("[\u{200B}]")
end

local typst_inlines

local WRAPPED = {
  Strong = "#strong[%s]", Emph = "#emph[%s]", Superscript = "#super[%s]",
  Subscript = "#sub[%s]", Underline = "#underline[%s]", Strikeout = "#strike[%s]",
}

local function typst_inline(inline)
  local t = inline.t
  if t == "LineBreak" then return "#linebreak()" end
  if t == "Code" then
    return broken(inline.text, function(piece) return "#raw(" .. literal(piece):sub(2) .. ")" end)
  end
  if t == "RawInline" and inline.format == "html" then return "" end
  if WRAPPED[t] then return (WRAPPED[t]:gsub("%%s", function() return typst_inlines(inline.content) end)) end
  if t == "Link" then
    local target = inline.target
    local to = target:sub(1, 1) == "#" and "label(" .. literal(target:sub(2)):sub(2) .. ")"
      or literal(target):sub(2)
    return "#link(" .. to .. ")[" .. typst_inlines(inline.content) .. "]"
  end
  return pandoc.write(pandoc.Pandoc({ pandoc.Plain({ inline }) }), "typst")
end

local function add_typst(inlines, parts, words)
  for _, inline in ipairs(inlines) do
    local t = inline.t
    if t == "Str" and #inlines > 1 and divisible(inline.text) then
      if #words > 0 then parts[#parts + 1] = broken(joined(table.concat(words)), literal) end
      for i = #words, 1, -1 do words[i] = nil end
      parts[#parts + 1] = "#box[" .. literal(inline.text) .. "]"
    elseif t == "Str" then words[#words + 1] = breakable(inline.text)
    elseif t == "Space" or t == "SoftBreak" then words[#words + 1] = " "
    elseif t == "Span" then add_typst(inline.content, parts, words)
    else
      if #words > 0 then parts[#parts + 1] = broken(joined(table.concat(words)), literal) end
      for i = #words, 1, -1 do words[i] = nil end
      parts[#parts + 1] = typst_inline(inline)
    end
  end
end

-- Neighbouring pieces of text are one literal, which keeps long listings small. They are joined before
-- they are written: afterwards a text such as "#" cannot be distinguished from the end of a literal.
function typst_inlines(inlines)
  local parts, words = {}, {}
  add_typst(inlines, parts, words)
  if #words > 0 then parts[#parts + 1] = broken(joined(table.concat(words)), literal) end
  return table.concat(parts)
end

local function typst_blocks(blocks)
  local parts = {}
  for _, block in ipairs(blocks) do
    if block.t == "Plain" or block.t == "Para" then
      parts[#parts + 1] = typst_inlines(block.content)
    elseif block.t == "Div" then
      parts[#parts + 1] = typst_blocks(block.content)
    else
      parts[#parts + 1] = pandoc.write(pandoc.Pandoc({ block }), "typst")
    end
  end
  return table.concat(parts, "#parbreak()")
end

-- Widths: those of the letters of the report's font, in thousandths of the size, from the space to the tilde.
-- A column is never narrower than its longest piece that no line may break, and as wide as what it
-- holds where the page has room. A test measures the letters of the font again.
local REGULAR, BOLD = {}, {}
local function read_widths(into, text)
  local code = 32
  for width in text:gmatch("%d+") do
    into[code] = tonumber(width)
    code = code + 1
  end
end
read_widths(REGULAR, [[
  250 288 336 465 465 637 705 190 298 298 369 550 220 338 220 323 465 465 465 465 465 465 465 465 465 465 236
  236 550 550 550 435 895 695 588 646 701 557 485 685 730 297 322 637 528 839 699 702 541 702 587 485 597 661
  652 951 660 575 604 356 287 356 518 486 392 457 493 428 506 447 310 500 538 271 272 512 264 790 542 504 519
  503 372 390 316 531 497 747 490 515 424 277 205 277 449
]])
read_widths(BOLD, [[
  250 266 376 514 514 637 729 215 315 315 433 537 244 358 244 316 514 514 514 514 514 514 514 514 514 514 256
  256 512 551 512 430 988 740 654 706 734 609 545 732 817 367 373 736 577 899 740 730 614 730 716 504 652 732
  700 1028 718 624 624 397 307 397 518 486 392 506 542 456 561 489 391 521 619 322 312 613 325 905 616 551 581
  573 428 427 358 598 529 777 561 558 452 307 220 307 473
]])
local NARROW = { [0x200B] = 0, [0xA0] = 250, [0x2007] = 465, [0x2009] = 200, [0xB2] = 340, [0x2080] = 340, [0x2081] = 340, [0x2082] = 340 }
local OTHER, IDEOGRAPH = 570, 1000 -- letters with accents, signs; everything from U+2E80 on

local function width_of(text, bold)
  local widths, total = bold and BOLD or REGULAR, 0
  if not utf8.len(text) then return #text * OTHER end
  for _, code in utf8.codes(text) do
    total = total + (widths[code] or NARROW[code] or (code >= 0x2E80 and IDEOGRAPH or OTHER))
  end
  return total
end

-- A table has thousands of cells: reading their text here is four times as fast as `walk`.
local function add_text(inlines, parts)
  for _, inline in ipairs(inlines) do
    local t = inline.t
    if t == "Str" or t == "Code" then parts[#parts + 1] = inline.text
    elseif t == "Space" or t == "SoftBreak" then parts[#parts + 1] = " "
    elseif t == "LineBreak" then parts[#parts + 1] = "\n"
    elseif t ~= "RawInline" then parts[#parts + 1] = pandoc.utils.stringify(inline) end
  end
end

-- The width of a text's longest line, and of its longest piece that no line may break.
local function measure(blocks, bold)
  local parts = {}
  for _, block in ipairs(blocks) do
    if block.t == "Plain" or block.t == "Para" then add_text(block.content, parts)
    else parts[#parts + 1] = pandoc.utils.stringify(block) end
  end
  local text = joined(table.concat(parts))
  local longest_line, longest_word, total = 0, 0, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local width = width_of(line, bold)
    longest_line, total = math.max(longest_line, width), total + width
  end
  for word in text:gmatch("[^ \n]+") do
    local pieces = { word }
    if not word:find("%d") then
      pieces = {}
      for piece in word:gmatch("[^%-/]*[%-/]*") do pieces[#pieces + 1] = piece end
    end
    for _, piece in ipairs(pieces) do
      local length = utf8.len(piece) or #piece
      local width = width_of(piece, bold)
      if length > BREAK_AFTER and not piece:find(HARD, 1, true) then width = width * BREAK_AFTER / length end
      longest_word = math.max(longest_word, width)
    end
  end
  return longest_line, longest_word, total
end

local function all_rows(tbl)
  local rows = pandoc.List({})
  rows:extend(tbl.head.rows)
  for _, body in ipairs(tbl.bodies) do
    rows:extend(body.head)
    rows:extend(body.body)
  end
  rows:extend(tbl.foot.rows)
  return rows
end

-- The position of each cell of `rows`: rows of {cell, column, row}, with spans taken into account.
local function placed(rows, columns)
  local taken, out = {}, {}
  for r, row in ipairs(rows) do
    out[r] = {}
    local c = 1
    for _, cell in ipairs(row.cells) do
      while taken[r .. "," .. c] do c = c + 1 end
      out[r][#out[r] + 1] = { cell = cell, column = c, row = r }
      for dr = 0, cell.row_span - 1 do
        for dc = 0, cell.col_span - 1 do taken[(r + dr) .. "," .. (c + dc)] = true end
      end
      c = c + cell.col_span
    end
  end
  return out
end

local function indent_of(classes)
  for _, class in ipairs(classes) do
    local depth = class:match("^indent(%d)$")
    if depth then return tonumber(depth) end
  end
  return 0
end

local SIZE, LINE, CELL = 8.5, 9.6, 5.2 -- of the letters, from line to line, above and below a cell (pt)
local GAP = 9.95 -- around the text of a cell, with a little to spare
local PORTRAIT, LANDSCAPE = { wide = 467, high = 640 }, { wide = 714, high = 395 } -- what a page holds, pt
local all_landscape = false -- whether every page of the volume lies on its side
local SPREAD = 0.85 -- a listing with so much to spare has its columns spread over the page
local UPRIGHT = 1.25 -- times as high as on its side, a table stays upright
local SMALLEST = 0.8 -- of the size of the letters, where a table is wider than its page

-- Per column, in points with the space around the text: what the cells and the heads hold, and the
-- least that no line may break. Per row and column the width of the text.
local function estimated(tbl)
  local n, rows, heads = #tbl.colspecs, all_rows(tbl), #tbl.head.rows
  local body, head, least, cells, spans = {}, {}, {}, {}, {}
  for c = 1, n do body[c], head[c], least[c] = 0, 0, 0 end
  for r, places in ipairs(placed(rows, n)) do
    local strong = r <= heads or rows[r].classes:includes("group") or rows[r].classes:includes("total")
    cells[r] = {}
    for _, place in ipairs(places) do
      local c, span = place.column, place.cell.col_span
      local line, word, total = measure(place.cell.contents, strong)
      local around = GAP + (c == 1 and r > heads and SIZE * indent_of(rows[r].classes) or 0)
      line, word, total = line * SIZE / 1000 + around, word * SIZE / 1000 + around, total * SIZE / 1000
      if span == 1 then
        cells[r][c] = total
        least[c] = math.max(least[c], word)
        if r <= heads then head[c] = math.max(head[c], line) else body[c] = math.max(body[c], line) end
      elseif r <= heads then
        spans[#spans + 1] = { first = c, last = c + span - 1, line = line, least = word }
      end
    end
  end
  -- A head over several columns is not wider than these.
  for _, span in ipairs(spans) do
    for _, pair in ipairs({ { least, span.least }, { head, span.line } }) do
      local widths, have = pair[1], 0
      for c = span.first, span.last do have = have + math.max(widths[c], least[c]) end
      local more = math.max(0, pair[2] - have) / (span.last - span.first + 1)
      for c = span.first, span.last do if more > 0 then widths[c] = math.max(widths[c], least[c]) + more end end
    end
  end
  return { n = n, heads = heads, body = body, head = head, least = least, cells = cells }
end

local function sum(list)
  local total = 0
  for _, value in ipairs(list) do total = total + value end
  return total
end

-- The width of each column on a page, and by how much the letters are smaller than others.
local function widths_on(table_, room)
  local natural, wish = {}, {}
  for c = 1, table_.n do
    natural[c] = math.max(table_.body[c], table_.head[c], table_.least[c])
    -- Heads may take two lines where there is no room.
    wish[c] = math.max(table_.body[c], table_.least[c], table_.head[c] / 2 + SIZE)
    wish[c] = math.min(wish[c], natural[c])
  end
  if sum(natural) <= room then return natural, 1 end
  local least = sum(table_.least)
  if least > room then
    local scale, widths = room / least, {}
    for c = 1, table_.n do widths[c] = table_.least[c] * scale end
    return widths, math.max(SMALLEST, scale)
  end
  -- Each column has its least. What is left is shared by the square root of what it would like, and
  -- no column has more than that.
  local widths, open, left = {}, {}, room - least
  for c = 1, table_.n do widths[c], open[c] = table_.least[c], wish[c] > table_.least[c] end
  local full = true
  while full do
    local weight = 0
    full = false
    for c = 1, table_.n do if open[c] then weight = weight + math.sqrt(wish[c]) end end
    for c = 1, table_.n do
      local more = wish[c] - table_.least[c]
      if open[c] and more <= left * math.sqrt(wish[c]) / weight then
        widths[c], open[c], full = wish[c], false, true
        left = left - more
        break
      end
    end
    if not full and weight > 0 then
      for c = 1, table_.n do
        if open[c] then widths[c] = widths[c] + left * math.sqrt(wish[c]) / weight end
      end
    end
  end
  return widths, 1
end

-- How high the rows are; `lines[r]` how many lines a row has.
local function height_of(table_, widths)
  local height, lines = 0, {}
  for r, cells in ipairs(table_.cells) do
    lines[r] = 1
    for c, width in pairs(cells) do
      lines[r] = math.max(lines[r], math.ceil((width * 1.02 - 1) / math.max(1, widths[c] - GAP)))
    end
    height = height + CELL + LINE * lines[r]
  end
  return height, lines
end

-- The form of a table: its widths in points, whether it lies on its side, how high it is. One that the
-- catalogue lays on its side is upright where that makes few of its rows higher.
local function form_of(tbl, kind, landscape)
  local table_ = estimated(tbl)
  local room = all_landscape and LANDSCAPE or PORTRAIT
  local widths, scale = widths_on(table_, room.wide)
  local height, lines = height_of(table_, widths)
  local turned_page = false
  if landscape and not all_landscape then
    local turned, turned_scale = widths_on(table_, LANDSCAPE.wide)
    local turned_height, turned_lines = height_of(table_, turned)
    if scale < 1 or height > UPRIGHT * turned_height then
      widths, scale, height, lines, room = turned, turned_scale, turned_height, turned_lines, LANDSCAPE
      turned_page = true
    end
  end
  local total = sum(widths)
  if kind == "listing" and total <= SPREAD * room.wide then
    for c = 1, #widths do widths[c] = widths[c] * room.wide / total end
  end
  return { widths = widths, scale = scale, height = height, lines = lines, turned = turned_page, heads = table_.heads }
end

-- The patient of the row above: printed paler, in each of the rows.
local function again(cell)
  return cell.classes and cell.classes:includes("again") and pandoc.utils.stringify(cell.contents) or nil
end

-- A cell that is one literal and nothing else is handed over as a string: thousands of content blocks
-- less for Typst to read.
local function words_alone(body)
  if body:gsub("\\.", ""):match('^#"[^"]*"$') then return body:sub(2) end
end

local function typst_cell(place, row, in_head, last_head, more)
  local cell, arguments = place.cell, { more }
  if again(cell) and not more then return "again(" .. literal(again(cell)):sub(2) .. ")" end
  if cell.col_span > 1 then arguments[#arguments + 1] = "colspan: " .. cell.col_span end
  if cell.row_span > 1 then arguments[#arguments + 1] = "rowspan: " .. cell.row_span end
  if in_head and cell.col_span > 1 then
    arguments[#arguments + 1] = "align: center + bottom"
    -- The gap between two heads over columns is a cell without words, and has no rule.
    local worded = pandoc.utils.stringify(cell.contents) ~= ""
    if worded and not last_head then arguments[#arguments + 1] = "stroke: (bottom: 0.4pt)" end
  elseif in_head then
    arguments[#arguments + 1] = "align: left + bottom"
  end
  local body = again(cell) and "#again(" .. literal(again(cell)):sub(2) .. ")" or typst_blocks(cell.contents)
  if in_head or row.classes:includes("group") or row.classes:includes("total") then
    body = "#strong[" .. body .. "]"
  end
  local depth = place.column == 1 and not in_head and indent_of(row.classes) or 0
  if depth > 0 then body = "#pad(left: " .. depth .. "em)[" .. body .. "]" end
  if #arguments == 0 then return words_alone(body) or "[" .. body .. "]" end
  return "table.cell(" .. table.concat(arguments, ", ") .. ")[" .. body .. "]"
end

local function indented(row) return row ~= nil and indent_of(row.classes) > 0 end

-- How a row leads those below it: "true", repeated on the next page; "false", never the last line of
-- a page; nil, not at all. A row with numbers is not repeated, because they would be counted twice,
-- and neither is one whose block holds lines that are not indented below it.
local function leads(rows, r)
  local group, total = rows[r].classes:includes("group"), rows[r].classes:includes("total")
  if not (group or total) or not indented(rows[r + 1]) then return nil end
  -- Directly below the heads of the columns, several cells of a header would be heads of columns.
  if r == 1 and #rows[r].cells > 1 then return nil end
  local after = r + 1
  while indented(rows[after]) do after = after + 1 end
  local closed = rows[after] == nil or rows[after].classes:includes("group")
  return tostring(group and closed)
end

local BLOCK, LAST = 9, 3 -- rows of one block that stay on one page; rows that stay with the notes
local LONG = 20 -- a row of so many lines may be cut by the end of a page

-- Which rows stay with the row below them, apart from those that lead. The first block is directly below
-- the heads of the columns, where such rows would be heads too.
local function kept_rows(rows)
  local keeps, first = {}, true
  local r = 1
  while r <= #rows do
    local last = r
    if leads(rows, r) or rows[r].classes:includes("group") then
      while indented(rows[last + 1]) do last = last + 1 end
    end
    if not first and last > r then
      for k = r + 1, last - 1 do
        if last - r < BLOCK or k == r + 1 or k == last - 1 then keeps[k] = true end
      end
    end
    first, r = false, last + 1
  end
  local begin = 2
  while begin <= #rows and (leads(rows, begin - 1) or keeps[begin - 1]) do begin = begin + 1 end
  for k = math.max(begin, #rows - LAST + 1), #rows - 1 do keeps[k] = true end
  return keeps
end

-- The rows of a table. `lines` are the lines of each row of the body: one of very many may be cut.
-- The last row has room below for the notes, which therefore stay with it.
local function typst_rows(rows, n, in_head, lines)
  local written, kept, keeps = {}, {}, in_head and {} or kept_rows(rows)
  local function end_of_kept()
    if #kept > 0 then
      written[#written + 1] = "    table.header(level: 3, repeat: false, " .. table.concat(kept, ", ") .. "),"
      kept = {}
    end
  end
  for r, cells in ipairs(placed(rows, n)) do
    local parts = {}
    local cut = not in_head and lines[r] > LONG
    for _, place in ipairs(cells) do
      local more = cut and "breakable: true" or nil
      if not in_head and r == #rows then
        more = (more and more .. ", " or "") .. "inset: (x: 0.55em, top: 0.3em, bottom: 0.3em + below)"
      end
      parts[#parts + 1] = typst_cell(place, rows[r], in_head, r == #rows, more)
    end
    if not in_head and rows[r].classes:includes("total") then
      table.insert(parts, 1, "table.hline(stroke: 0.4pt)")
    end
    local again_below = not in_head and leads(rows, r)
    local line = table.concat(parts, ", ")
    if #parts > 0 then
      if again_below then
        end_of_kept()
        written[#written + 1] = "    table.header(level: 2, repeat: " .. again_below .. ", " .. line .. "),"
      elseif keeps[r] and not cut then
        kept[#kept + 1] = line
      else
        end_of_kept()
        written[#written + 1] = "    " .. line .. ","
      end
    end
  end
  end_of_kept()
  return table.concat(written, "\n")
end

-- Displays ------------------------------------------------------------------------------------

local function has(div, class) return div.t == "Div" and div.classes:includes(class) end

-- The parts of a display, whatever the format.
local function parts_of(div)
  local parts = { number = {}, title = {}, part = {}, population = {}, notes = {}, content = pandoc.List({}) }
  for _, block in ipairs(div.content) do
    if has(block, "tlf-caption") then
      block:walk({ Span = function(span)
        for _, name in ipairs({ "number", "title", "part", "population" }) do
          if span.classes:includes("tlf-" .. name) then parts[name] = span.content end
        end
      end })
    elseif has(block, "tlf-notes") then
      for _, inner in ipairs(block.content) do
        if inner.t == "BulletList" then
          for _, item in ipairs(inner.content) do parts.notes[#parts.notes + 1] = item end
        else
          parts.notes[#parts.notes + 1] = { inner }
        end
      end
    else
      parts.content:insert(block)
    end
  end
  parts.listed = pandoc.Inlines(parts.title)
  if #parts.part > 0 then
    parts.title = parts.listed .. pandoc.Inlines({ pandoc.Space() }) .. pandoc.Inlines(parts.part)
  end
  return parts
end

local function kind_of(div)
  for _, kind in ipairs({ "figure", "listing", "table" }) do
    if div.classes:includes("tlf-" .. kind) then return kind end
  end
  return "table"
end

local function table_in_html(text)
  local first
  for _, block in ipairs(pandoc.read(text, "html").blocks) do
    if block.t == "Table" then return block end
    if block.t == "Div" then block:walk({ Table = function(t) first = first or t end }) end
  end
  return first
end

local function table_in(blocks)
  local first
  for _, block in ipairs(blocks) do
    if not first and block.t == "RawBlock" and block.format:match("^html") and block.text:match("<table") then
      first = table_in_html(block.text)
    elseif not first and block.t == "Table" then
      first = block
    elseif not first and block.t == "Div" then
      first = table_in(block.content)
    end
  end
  return first
end

local function image_in(blocks)
  local first
  pandoc.Div(blocks):walk({ Image = function(image) first = first or image end })
  return first
end

local function alt_of(image)
  local text = pandoc.utils.stringify(image.caption)
  return text ~= "" and text or image.attributes.alt or ""
end

local WHOLE, WHOLE_TURNED = 380, 150 -- a table of so many points stays on one page
local TURNED_HIGH = 430 -- what a landscape page holds

local function points(value) return string.format("%.1fpt", value) end

local function typst_display(div)
  local parts, kind = parts_of(div), kind_of(div)
  local turned = div.classes:includes("landscape") and not all_landscape
  local notes = {}
  for _, note in ipairs(parts.notes) do notes[#notes + 1] = "[" .. typst_blocks(note) .. "]," end
  captions = true
  local listed = div.classes:includes("tlf-further") and "none"
    or "[" .. typst_inlines(parts.listed) .. "]"
  local lines = {
    "#tlf-display(", "  " .. literal(div.identifier):sub(2) .. ',',
    '  kind: "' .. kind .. '",',
    "  number: [" .. typst_inlines(parts.number) .. "],",
    "  title: [" .. typst_inlines(parts.title) .. "],",
    "  listed: " .. listed .. ",",
    "  population: [" .. typst_inlines(parts.population) .. "],",
    "  notes: (" .. table.concat(notes, " ") .. "),",
  }
  captions = false
  local tbl, image = table_in(parts.content), image_in(parts.content)
  local rest, height = pandoc.List({}), TURNED_HIGH
  if tbl then
    local n = #tbl.colspecs
    local form = form_of(tbl, kind, turned)
    turned, height = form.turned, form.height
    local body = pandoc.List({})
    for _, b in ipairs(tbl.bodies) do body:extend(b.head) body:extend(b.body) end
    body:extend(tbl.foot.rows)
    local lines_of_body = table.move(form.lines, form.heads + 1, #form.lines, 1, {})
    local widths = {}
    for c = 1, n do widths[c] = points(form.widths[c]) end
    if not turned and form.height <= (all_landscape and WHOLE_TURNED or WHOLE) then lines[#lines + 1] = "  whole: true," end
    if turned and kind == "table" then lines[#lines + 1] = "  one-page: true," end
    if form.scale < 1 then lines[#lines + 1] = "  size: " .. points(SIZE * form.scale) .. "," end
    lines[#lines + 1] = "  columns: (" .. table.concat(widths, ", ") .. ",),"
    lines[#lines + 1] = "  head: (\n" .. typst_rows(tbl.head.rows, n, true) .. "\n  ),"
    lines[#lines + 1] = "  rows: below => (\n" .. typst_rows(body, n, false, lines_of_body) .. "\n  ),"
  elseif image then
    local width = image.attributes.width or "100%"
    lines[#lines + 1] = "  body: tlf-picture(" .. literal(image.src):sub(2) .. ", alt: "
      .. literal(alt_of(image)):sub(2) .. ", width: " .. width .. "),"
  else
    -- PDF/UA: a figure that is neither a table nor a picture is read by its words.
    local words = pandoc.utils.stringify(pandoc.Blocks(parts.content))
    lines[#lines + 1] = "  body: [" .. typst_blocks(parts.content) .. "],"
    lines[#lines + 1] = "  words: " .. literal(words):sub(2) .. ","
  end
  lines[#lines + 1] = ")"
  local text = table.concat(lines, "\n")
  for _, note in ipairs(parts.notes) do
    local wide = width_of(pandoc.utils.stringify(pandoc.Blocks(note))) * 0.0078
    height = height + 12 * math.ceil(wide / LANDSCAPE.wide)
  end
  if turned then text = "#tlf-landscape[ // " .. math.ceil(height + 45) .. "\n" .. text .. "\n]" end
  rest:insert(pandoc.RawBlock("typst", text))
  return rest
end

local function plain(inlines) return pandoc.utils.stringify(pandoc.Inlines(inlines)) end

local function html_escape(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local function html_display(div)
  local parts = parts_of(div)
  local name = html_escape(plain(parts.number) .. " " .. plain(parts.title))
  local content = pandoc.List({})
  for _, block in ipairs(div.content) do
    if block.t == "RawBlock" and block.format:match("^html") and block.text:match("<table") then
      content:insert(pandoc.RawBlock("html",
        '<div class="tlf-scroll" role="region" tabindex="0" aria-label="' .. name .. '">'))
      content:insert(block)
      content:insert(pandoc.RawBlock("html", "</div>"))
    elseif image_in({ block }) then
      -- Smaller than its letters can be read, a figure is moved sideways as a table is.
      content:insert(pandoc.Div({ block }, pandoc.Attr("", { "tlf-scroll" }, {
        { "role", "region" }, { "tabindex", "0" },
        { "aria-label", plain(parts.number) .. " " .. plain(parts.title) } })))
    else
      content:insert(block)
    end
  end
  div.content = content
  div.attributes.role = "group"
  div.attributes["aria-label"] = plain(parts.number) .. " " .. plain(parts.title)
  return div
end

-- The page forbids style attributes (`policy.py`): sizes and sides are classes, and style is in the head.
-- A table outside the displays is moved sideways by itself where the screen is narrow.
local function html_table(tbl)
  local heads = {}
  for c, spec in ipairs(tbl.colspecs) do
    local side = spec[1] == "AlignRight" and "right" or spec[1] == "AlignCenter" and "center"
    for _, row in ipairs(all_rows(tbl)) do
      local cell = row.cells[c]
      if cell then
        if side then cell.classes:insert(side) end
        cell.alignment = "AlignDefault"
      end
    end
    tbl.colspecs[c] = { "AlignDefault", nil }
  end
  if #tbl.head.rows > 0 then
    for _, cell in ipairs(tbl.head.rows[1].cells) do heads[#heads + 1] = pandoc.utils.stringify(cell.contents) end
  end
  local name = table.concat(heads, ", ")
  -- In a list of pairs: the order of the keys of a Lua table differs from run to run.
  return pandoc.Div({ tbl }, pandoc.Attr("", { "scroll" }, {
    { "role", "group" }, { "tabindex", "0" },
    { "aria-label", name ~= "" and "Table: " .. name or "Table" } })), false
end

-- In text outside of the displays: a page has an element for such a place; Word breaks a long word anywhere.
local PLACE = HTML and pandoc.RawInline("html", "<wbr>") or TYPST and pandoc.RawInline("typst", "#h(0pt)") or nil
local function without_marks(str)
  if not str.text:find(MAY_BREAK, 1, true) then return nil end
  local parts, make = pandoc.List({}), str.t == "Code" and pandoc.Code or pandoc.Str
  for piece in (str.text .. MAY_BREAK):gmatch("(.-)" .. MAY_BREAK) do
    if PLACE and #parts > 0 then parts:insert(PLACE) end
    parts:insert(make(piece))
  end
  return parts
end

local function html_image(image)
  image.attributes.width, image.attributes.height = nil, nil
  return image
end

-- Word: every paragraph of a cell has a style of ours, a column's width follows what it holds.
local function docx_cell(cell, column, row, in_head)
  local strong = in_head or row.classes:includes("group") or row.classes:includes("total")
  local depth = column == 1 and not in_head and indent_of(row.classes) or 0
  local name = depth > 0 and "Table Text Indent " .. depth or "Table Text"
  if cell.classes:includes("num") then name = "Table Number" end
  if again(cell) then name = "Table Text Again" end
  local blocks = cell.contents:map(function(block)
    if block.t ~= "Plain" and block.t ~= "Para" then return block end
    return pandoc.Para(strong and { pandoc.Strong(block.content) } or block.content)
  end)
  cell.contents = { pandoc.Div(blocks, { ["custom-style"] = name }) }
  return cell
end

local function docx_table(tbl, form)
  local total = sum(form.widths)
  for c = 1, #form.widths do tbl.colspecs[c] = { "AlignDefault", form.widths[c] / total } end
  local function styled_rows(rows, in_head)
    for r, cells in ipairs(placed(rows, #form.widths)) do
      for i, place in ipairs(cells) do
        rows[r].cells[i] = docx_cell(place.cell, place.column, rows[r], in_head)
      end
    end
    return rows
  end
  tbl.head.rows = styled_rows(tbl.head.rows, true)
  for _, body in ipairs(tbl.bodies) do
    body.head = styled_rows(body.head, false)
    body.body = styled_rows(body.body, false)
  end
  return tbl
end

local function styled(name, inlines, identifier)
  local div = pandoc.Div({ pandoc.Para(inlines) }, { ["custom-style"] = name })
  if identifier then div.identifier = identifier end
  return div
end

-- A field of Word with what it shows until Word computes it: nothing asks the reader to update it.
local function field(code, inlines)
  local function mark(kind) return pandoc.RawInline("openxml", '<w:r><w:fldChar w:fldCharType="' .. kind .. '"/></w:r>') end
  local whole = pandoc.Inlines({ mark("begin"),
    pandoc.RawInline("openxml", '<w:r><w:instrText xml:space="preserve"> ' .. code .. " </w:instrText></w:r>"),
    mark("separate") })
  whole:extend(inlines)
  whole:insert(mark("end"))
  return whole
end

-- The number of a caption: the last part of 11-3 is a sequence of its section, so that Word numbers a display
-- that a writer adds. `\\r` sets the number where the report leaves one out, or a section begins.
local counted, bookmarks = {}, 0
local REFERENCE = 900000 -- ids of bookmarks, beyond those of pandoc

local function reference_of(id) return "_Ref_" .. id:gsub("%W", "_"):sub(1, 34) end

local function docx_number(number, id)
  local word, before, last = plain(number):match("^(%a+)[ \u{a0}]+(.-)(%d+)$")
  if not word then return pandoc.Inlines(number) end
  -- After the text, in 14.2.1.2, tables and figures of a section are one sequence.
  local sequence = (before:find("%.") and "Display" or word) .. "_" .. before:gsub("%D+$", ""):gsub("%D", "_")
  local n = tonumber(last)
  local follows = counted[sequence] == n - 1 or (n == 1 and not counted[sequence])
  counted[sequence] = n
  bookmarks = bookmarks + 1
  local key = REFERENCE + bookmarks
  local inlines = pandoc.Inlines({
    pandoc.RawInline("openxml", '<w:bookmarkStart w:id="' .. key .. '" w:name="' .. reference_of(id) .. '"/>'),
    pandoc.Str(word .. " " .. before) })
  inlines:extend(field("SEQ " .. sequence .. " \\* ARABIC" .. (follows and "" or " \\r " .. last), { pandoc.Str(last) }))
  inlines:insert(pandoc.RawInline("openxml", '<w:bookmarkEnd w:id="' .. key .. '"/>'))
  return inlines
end

-- A citation of a display follows its number.
local function docx_link(link)
  local id = link.target:match("^#(tlf%-[%w%-]+)$")
  local words = pandoc.utils.stringify(link.content)
  if not id or not words:match("^%a+[ \u{a0}]+[%d.%-]+$") then return nil end
  return field("REF " .. reference_of(id) .. " \\h", link.content)
end

local STYLE_OF = { table = "Table Title", figure = "Figure Title", listing = "Listing Title" }

local function docx_display(div)
  local parts, blocks = parts_of(div), pandoc.List({})
  local caption = pandoc.Inlines({})
  caption:extend(docx_number(parts.number, div.identifier))
  caption:insert(pandoc.Str("\u{2002}")) caption:extend(parts.title)
  blocks:insert(styled(STYLE_OF[kind_of(div)], caption, div.identifier))
  if #parts.population > 0 then blocks:insert(styled("Display Population", parts.population)) end
  local tbl = table_in(parts.content)
  local turned = div.classes:includes("landscape")
  if tbl then
    local form = form_of(tbl, kind_of(div), turned)
    turned = form.turned
    blocks:insert(docx_table(tbl, form))
  else
    blocks:extend(parts.content)
  end
  for _, note in ipairs(parts.notes) do
    for _, block in ipairs(note) do blocks:insert(styled("Display Note", block.content or {})) end
  end
  if turned then
    blocks:insert(1, pandoc.RawBlock("openxml", "<!-- landscape -->"))
    blocks:insert(pandoc.RawBlock("openxml", "<!-- portrait -->"))
  end
  return blocks
end

-- Callouts and conditions ---------------------------------------------------------------------

local CALLOUTS = { note = "Note", tip = "Tip", important = "Important", warning = "Warning", caution = "Caution" }

local function callout(div, kind)
  local title = pandoc.Inlines(CALLOUTS[kind])
  if div.attributes.title then
    title = pandoc.Inlines(pandoc.read(div.attributes.title, "markdown").blocks[1].content)
  elseif #div.content > 0 and div.content[1].t == "Header" then
    title = div.content[1].content
    div.content:remove(1)
  end
  div.attributes.title = nil
  if TYPST then
    local blocks = pandoc.List({ pandoc.RawBlock("typst",
      '#tlf-callout("' .. kind .. '", [' .. typst_inlines(title) .. "])[") })
    blocks:extend(div.content)
    blocks:insert(pandoc.RawBlock("typst", "]"))
    return blocks
  elseif DOCX then
    local blocks = pandoc.List({ styled("Callout Title", title) })
    blocks:insert(pandoc.Div(div.content, { ["custom-style"] = "Callout" }))
    return blocks
  end
  div.content:insert(1, pandoc.Div({ pandoc.Para(title) }, { class = "callout-title" }))
  div.classes = { "callout", "callout-" .. kind }
  div.attributes.role = "note"
  return div
end

local function hidden(div)
  local when, unless = div.attributes["when-format"], div.attributes["unless-format"]
  local function here(names)
    for name in names:gmatch("[%w]+") do
      if is(name) or (name == "pdf" and TYPST) then return true end
    end
    return false
  end
  local met = not ((when and not here(when)) or (unless and here(unless)))
  if div.classes:includes("content-hidden") then return met and (when or unless) ~= nil end
  return not met
end

local SENTENCE = 400 -- a paragraph of so many characters goes with the display it introduces

-- In the PDF, the sentence before a display is not left alone at the foot of a page.
local function introductions(blocks)
  if not TYPST then return nil end
  local out = pandoc.List({})
  for i, block in ipairs(blocks) do
    local after = blocks[i + 1]
    local introduces = block.t == "Para" and after and has(after, "tlf") and not after.classes:includes("landscape")
    if introduces and #pandoc.utils.stringify(block) <= SENTENCE then
      out:insert(pandoc.RawBlock("typst", "#tlf-introduction["))
      out:insert(block)
      out:insert(pandoc.RawBlock("typst", "]"))
    else
      out:insert(block)
    end
  end
  return out
end

local function div_of_ours(div)
  if div.classes:includes("content-visible") or div.classes:includes("content-hidden") then
    if hidden(div) then return {} end
    return div.content
  end
  for kind in pairs(CALLOUTS) do
    if div.classes:includes("callout-" .. kind) then return callout(div, kind) end
  end
end

local function page_break(div)
  if TYPST then return pandoc.RawBlock("typst", "#pagebreak(weak: true)") end
  if DOCX then return pandoc.RawBlock("openxml", '<w:p><w:r><w:br w:type="page"/></w:r></w:p>') end
  return div
end

-- The place of contents and lists, where the document has one; its heading is the document's own.
local CONTENTS = "place-of-contents"
local function contents(div)
  if not TYPST then return div end
  return pandoc.RawBlock("typst", "#tlf-contents(titled: " .. tostring(div.classes:includes("titled")) .. ")")
end

-- The derivation rules: a long text in small type.
local function small(div)
  if not TYPST then return div end
  local blocks = pandoc.List({ pandoc.RawBlock("typst", "#tlf-small[") })
  blocks:extend(div.content)
  blocks:insert(pandoc.RawBlock("typst", "]"))
  return blocks
end

-- The list of displays ------------------------------------------------------------------------

local displays = { table = pandoc.List({}), figure = pandoc.List({}), listing = pandoc.List({}) }

local function remember(div)
  if div.classes:includes("tlf-further") then return end
  local parts = parts_of(div)
  displays[kind_of(div)]:insert({
    id = pandoc.MetaString(div.identifier),
    number = pandoc.MetaInlines(parts.number),
    title = pandoc.MetaInlines(parts.listed),
  })
end

local function display(div)
  if TYPST then return typst_display(div), false end
  if DOCX then return docx_display(div), false end
  if HTML then return html_display(div), false end
end

local function outside_displays(raw)
  if HTML or QUARTO or not raw.format:match("^html") then return nil end
  if raw.text:match("<table") then return pandoc.read(raw.text, "html").blocks end
end

local function docx_lists()
  local blocks = pandoc.List({})
  for _, kind in ipairs({ "table", "figure", "listing" }) do
    if #displays[kind] > 0 then
      blocks:insert(styled("Contents Title", pandoc.Inlines("List of " .. kind .. "s")))
      -- A field over all entries: Word makes the list again, with page numbers, when a writer updates it.
      local last = #displays[kind]
      local marks = field('TOC \\h \\z \\t "' .. STYLE_OF[kind] .. ',1"', {})
      for i, entry in ipairs(displays[kind]) do
        local inlines = pandoc.Inlines({})
        inlines:extend(entry.number) inlines:insert(pandoc.Str("\u{2002}")) inlines:extend(entry.title)
        local line = pandoc.Inlines({ pandoc.Link(inlines, "#" .. pandoc.utils.stringify(entry.id)) })
        if i == 1 then for k = 3, 1, -1 do line:insert(1, marks[k]) end end
        if i == last then line:insert(marks[4]) end
        blocks:insert(styled("Contents Entry", line))
      end
    end
  end
  return blocks
end

-- Neighbouring landscape displays share a page when they fit on one: a listing of four rows needs
-- none of its own.
local TURNED = "^#tlf%-landscape%[ // (%d+)\n(.*)\n%]$"

local function turned(block)
  if not block or block.t ~= "RawBlock" or block.format ~= "typst" then return nil end
  local height, body = block.text:match(TURNED)
  return tonumber(height), body
end

local HEADING = 30 -- points

local function together(blocks)
  local out = pandoc.List({})
  for _, block in ipairs(blocks) do
    local height, body = turned(block)
    -- A heading directly above is on the same page, unless it begins one of its own.
    while height and out[#out] and out[#out].t == "Header" and out[#out].level > 1 do
      body = pandoc.write(pandoc.Pandoc({ out:remove() }), "typst") .. "\n\n" .. body
      height = height + HEADING
      block = pandoc.RawBlock("typst", "#tlf-landscape[ // " .. height .. "\n" .. body .. "\n]")
    end
    local above, before = turned(out[#out])
    if height and above and height + above <= TURNED_HIGH then
      local text = before .. "\n\n" .. body
      out[#out] = pandoc.RawBlock("typst", "#tlf-landscape[ // " .. height + above .. "\n" .. text .. "\n]")
    else
      out:insert(block)
    end
  end
  return out
end

-- What every page must say, by either engine. The built-in engine and `sap report --engine quarto` give
-- it in the metadata `sap`; for a plain `quarto render` it is read from the run.
local function facts_of_run(meta)
  if meta.sap then return end
  local file = io.open((os.getenv("SAP_RUN") or "build/report") .. "/tables/run.json")
  if not file then return end
  local run = pandoc.json.decode(file:read("a"), false)
  file:close()
  local function words(name) return type(run[name]) == "string" and run[name] ~= "" and pandoc.Inlines(run[name]) or nil end
  local status = words("report_status") or words("status")
  local cut_off = words("cut_off_name")
  if run.dates == nil or run.dates == "calendar" then cut_off = words("cut_off") end
  local facts = {}
  for _, pair in ipairs({ { "Study", words("study") }, { "Status", status }, { "Data cut-off", cut_off } }) do
    if pair[2] then facts[#facts + 1] = { name = pandoc.Inlines(pair[1]), value = pair[2] } end
  end
  meta.sap = { study = words("study"), subject = meta.title, status = status, ["cut-off"] = cut_off, facts = facts,
    synthetic = run.synthetic == true or nil }
  meta.title = words("title") or meta.title
end

-- At the top of HTML and Word by Quarto, whose own title block has none of it.
local function facts_at_the_top(meta)
  local blocks = pandoc.List({})
  if not meta.sap then return blocks end
  if meta.sap.synthetic then
    blocks:insert(pandoc.Para({ pandoc.Strong("Synthetic data."), pandoc.Space(),
      pandoc.Str("Every patient in this report was simulated. No result in it says anything about a treatment.") }))
  end
  local items = pandoc.List({})
  for _, fact in ipairs(meta.sap.facts or {}) do
    items:insert({ pandoc.Inlines(fact.name), { pandoc.Plain(pandoc.Inlines(fact.value)) } })
  end
  if #items > 0 then blocks:insert(pandoc.DefinitionList(items)) end
  return pandoc.List({ pandoc.Div(blocks, { class = "report-facts" }) })
end

local function document(doc)
  if QUARTO then
    facts_of_run(doc.meta)
    if not TYPST then
      local top = facts_at_the_top(doc.meta)
      top:extend(doc.blocks)
      doc.blocks = top
    end
  end
  if TYPST then doc.blocks = together(doc.blocks) end
  if HTML then
    for kind, entries in pairs(displays) do doc.meta["tlf-" .. kind .. "s"] = entries end
  end
  if DOCX then
    local lists, placed = docx_lists(), false
    local blocks = pandoc.List({})
    for _, block in ipairs(doc.blocks) do
      if block.t == "Div" and block.identifier == CONTENTS then
        if not QUARTO then blocks:insert(pandoc.RawBlock("openxml", "<!-- contents -->")) end
        blocks:extend(lists)
        placed = true
      else
        blocks:insert(block)
      end
    end
    if not placed then lists:extend(blocks) blocks = lists end
    doc.blocks = blocks
  end
  return doc
end

return {
  { Meta = function(meta) all_landscape = meta["sap-landscape"] == true end },
  {
    Div = function(div) if not QUARTO then return div_of_ours(div) end end,
    Blocks = introductions,
  },
  {
    traverse = "topdown",
    Div = function(div)
      if div.classes:includes("tlf") then
        remember(div)
        return display(div)
      end
      if div.identifier == CONTENTS then return contents(div) end
      if div.classes:includes("rules") then return small(div) end
      if div.classes:includes("pagebreak") then return page_break(div) end
    end,
    RawBlock = outside_displays,
    Table = HTML and not QUARTO and html_table or nil,
  },
  { Image = HTML and not QUARTO and html_image or nil, Str = without_marks, Code = without_marks },
  { Link = DOCX and docx_link or nil },
  { Pandoc = document },
}
