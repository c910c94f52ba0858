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
local function literal(text)
  text = text:gsub("\\", "\\\\"):gsub('"', '\\"')
  text = text:gsub("%c", function(c) return string.format("\\u{%x}", c:byte()) end)
  return '#"' .. text .. '"'
end

local function breakable(text)
  local length = utf8.len(text)
  if not length or length <= BREAK_AFTER then return text end
  local parts, count = {}, 0
  for _, code in utf8.codes(text) do
    parts[#parts + 1] = utf8.char(code)
    count = count + 1
    if count % BREAK_AFTER == 0 then parts[#parts + 1] = "\u{200B}" end
  end
  return table.concat(parts)
end

local typst_inlines

local WRAPPED = {
  Strong = "#strong[%s]", Emph = "#emph[%s]", Superscript = "#super[%s]",
  Subscript = "#sub[%s]", Underline = "#underline[%s]", Strikeout = "#strike[%s]",
}

local function typst_inline(inline)
  local t = inline.t
  if t == "LineBreak" then return "#linebreak()" end
  if t == "Code" then return "#raw(" .. literal(inline.text):sub(2) .. ")" end
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
    if t == "Str" then words[#words + 1] = breakable(inline.text)
    elseif t == "Space" or t == "SoftBreak" then words[#words + 1] = " "
    elseif t == "Span" then add_typst(inline.content, parts, words)
    else
      if #words > 0 then parts[#parts + 1] = literal(table.concat(words)) end
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
  if #words > 0 then parts[#parts + 1] = literal(table.concat(words)) end
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

-- Widths: a column of numbers is as wide as its widest cell; text columns share the rest by
-- how much they hold. The estimate counts characters, and never less than the longest word.
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

local function measure(blocks)
  local parts = {}
  for _, block in ipairs(blocks) do
    if block.t == "Plain" or block.t == "Para" then add_text(block.content, parts)
    else parts[#parts + 1] = pandoc.utils.stringify(block) end
  end
  local text = table.concat(parts)
  local longest_line, longest_word = 0, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do longest_line = math.max(longest_line, utf8.len(line) or #line) end
  for word in text:gmatch("[^ \n]+") do
    longest_word = math.max(longest_word, math.min(utf8.len(word) or #word, BREAK_AFTER))
  end
  return longest_line, longest_word
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

local PORTRAIT_CHARACTERS, LANDSCAPE_CHARACTERS = 108, 168
local SPREAD = 0.85 -- a listing with so much to spare has its columns spread over the page
local WIDEST_SHARE = 60 -- one endless comment must not squeeze the other columns

-- Per column: the longest line, the longest word, and whether it holds numbers only.
local function estimated(tbl)
  local n = #tbl.colspecs
  local natural, least, numeric = {}, {}, {}
  for c = 1, n do natural[c], least[c], numeric[c] = 3, 2, true end
  local rows, heads = all_rows(tbl), #tbl.head.rows
  for r, cells in ipairs(placed(rows, n)) do
    for _, place in ipairs(cells) do
      if place.cell.col_span == 1 then
        local c, line, word = place.column, measure(place.cell.contents)
        line = line + 2 * indent_of(rows[r].classes)
        natural[c] = math.max(natural[c], line + 2)
        least[c] = math.max(least[c], word + 2)
        if r > heads and not place.cell.classes:includes("num") and line > 0 then numeric[c] = false end
      end
    end
  end
  return natural, least, numeric
end

-- The share of the width that each column needs, and the sum of these.
local function weights(natural, least)
  local out, total = {}, 0
  -- A form of two columns, label and text, gives most of its width to the text.
  local widest = #natural == 2 and 2 * WIDEST_SHARE or WIDEST_SHARE
  for c = 1, #natural do
    out[c] = math.max(least[c], math.min(natural[c], widest, 8 + 4 * math.sqrt(natural[c])))
    total = total + out[c]
  end
  return out, total
end

local function typst_columns(tbl, landscape, kind)
  local natural, least, numeric = estimated(tbl)
  local n, total = #natural, 0
  for c = 1, n do
    total = total + natural[c]
  end
  local room = landscape and LANDSCAPE_CHARACTERS or PORTRAIT_CHARACTERS
  local widths = {}
  if kind == "listing" and total <= SPREAD * room then
    for c = 1, n do widths[c] = string.format("%dfr", natural[c]) end
    return widths
  end
  -- What fits is as wide as what it holds: no gap between a label and its number.
  if total <= room then
    for c = 1, n do widths[c] = "auto" end
    return widths
  end
  -- Too wide: columns of numbers and of single words (patients, dates) keep their width where that
  -- leaves room, text shares the rest.
  local fixed, shares = 0, weights(natural, least)
  local kept = function(c) return numeric[c] or (natural[c] == least[c] and natural[c] <= 16) end
  for c = 1, n do if kept(c) then fixed = fixed + natural[c] end end
  for c = 1, n do
    local keeps = kept(c) and fixed < room * 0.7
    widths[c] = keeps and "auto" or string.format("%.2ffr", shares[c])
  end
  return widths
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

local function typst_cell(place, row, in_head, last_head)
  local cell, arguments = place.cell, {}
  if again(cell) then return "again(" .. literal(again(cell)):sub(2) .. ")" end
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
  local body = typst_blocks(cell.contents)
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

local function typst_rows(rows, n, in_head)
  local lines = {}
  for r, cells in ipairs(placed(rows, n)) do
    local parts = {}
    for _, place in ipairs(cells) do
      parts[#parts + 1] = typst_cell(place, rows[r], in_head, r == #rows)
    end
    if not in_head and rows[r].classes:includes("total") then
      table.insert(parts, 1, "table.hline(stroke: 0.4pt)")
    end
    local again_below = not in_head and leads(rows, r)
    local line = table.concat(parts, ", ")
    if again_below then line = "table.header(level: 2, repeat: " .. again_below .. ", " .. line .. ")" end
    if #parts > 0 then lines[#lines + 1] = "    " .. line .. "," end
  end
  return table.concat(lines, "\n")
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

local WHOLE_ROWS = 30 -- a table of so many lines stays on one page
local TURNED_LINES = 34 -- what a landscape page holds

-- The lines a table takes, with the lines its longest cell of each row wraps to.
local function line_count(tbl, landscape)
  local natural = estimated(tbl)
  local total = 0
  for c = 1, #natural do total = total + natural[c] end
  local room = landscape and LANDSCAPE_CHARACTERS or PORTRAIT_CHARACTERS
  return #all_rows(tbl) * math.max(1, math.ceil(total / room))
end

local function typst_display(div)
  local parts, kind, landscape = parts_of(div), kind_of(div), div.classes:includes("landscape")
  local notes = {}
  for _, note in ipairs(parts.notes) do notes[#notes + 1] = "[" .. typst_blocks(note) .. "]," end
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
  local tbl, image = table_in(parts.content), image_in(parts.content)
  local rest = pandoc.List({})
  if tbl then
    local n = #tbl.colspecs
    local widths = typst_columns(tbl, landscape, kind)
    local body = pandoc.List({})
    for _, b in ipairs(tbl.bodies) do body:extend(b.head) body:extend(b.body) end
    body:extend(tbl.foot.rows)
    if not landscape and line_count(tbl, landscape) <= WHOLE_ROWS then lines[#lines + 1] = "  whole: true," end
    lines[#lines + 1] = "  columns: (" .. table.concat(widths, ", ") .. ",),"
    lines[#lines + 1] = "  head: (\n" .. typst_rows(tbl.head.rows, n, true) .. "\n  ),"
    lines[#lines + 1] = "  rows: (\n" .. typst_rows(body, n, false) .. "\n  ),"
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
  local height = tbl and line_count(tbl, landscape) + #parts.notes + 4 or TURNED_LINES
  if landscape then text = "#tlf-landscape[ // " .. height .. "\n" .. text .. "\n]" end
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

local function docx_table(tbl)
  local natural, least = estimated(tbl)
  local shares, total = weights(natural, least)
  for c = 1, #natural do tbl.colspecs[c] = { "AlignDefault", shares[c] / total } end
  local function styled_rows(rows, in_head)
    for r, cells in ipairs(placed(rows, #natural)) do
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

local function docx_display(div)
  local parts, blocks = parts_of(div), pandoc.List({})
  local caption = pandoc.Inlines({})
  caption:extend(parts.number) caption:insert(pandoc.Str("\u{2002}")) caption:extend(parts.title)
  blocks:insert(styled("Display Title", caption, div.identifier))
  if #parts.population > 0 then blocks:insert(styled("Display Population", parts.population)) end
  local tbl = table_in(parts.content)
  if tbl then blocks:insert(docx_table(tbl)) else blocks:extend(parts.content) end
  for _, note in ipairs(parts.notes) do
    for _, block in ipairs(note) do blocks:insert(styled("Display Note", block.content or {})) end
  end
  if div.classes:includes("landscape") then
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
  if TYPST and not QUARTO then return pandoc.RawBlock("typst", "#tlf-contents(titled: false)") end
  return div
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
      for _, entry in ipairs(displays[kind]) do
        local inlines = pandoc.Inlines({})
        inlines:extend(entry.number) inlines:insert(pandoc.Str("\u{2002}")) inlines:extend(entry.title)
        blocks:insert(styled("Contents Entry", { pandoc.Link(inlines, "#" .. pandoc.utils.stringify(entry.id)) }))
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

local function together(blocks)
  local out = pandoc.List({})
  for _, block in ipairs(blocks) do
    local height, body = turned(block)
    local above, before = turned(out[#out])
    if height and above and height + above <= TURNED_LINES then
      local text = before .. "\n\n" .. body
      out[#out] = pandoc.RawBlock("typst", "#tlf-landscape[ // " .. height + above .. "\n" .. text .. "\n]")
    else
      out:insert(block)
    end
  end
  return out
end

local function document(doc)
  if TYPST then doc.blocks = together(doc.blocks) end
  if HTML then
    for kind, entries in pairs(displays) do doc.meta["tlf-" .. kind .. "s"] = entries end
  end
  if DOCX and not QUARTO then
    local lists, placed = docx_lists(), false
    local blocks = pandoc.List({})
    for _, block in ipairs(doc.blocks) do
      if block.t == "Div" and block.identifier == CONTENTS then
        blocks:insert(pandoc.RawBlock("openxml", "<!-- contents -->"))
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
  { Image = HTML and not QUARTO and html_image or nil },
  { Pandoc = document },
}
