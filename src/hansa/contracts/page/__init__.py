"""A contract as a page for people: `content` says what stands on it, `html` and `markdown` write it.

What a page says is put together once, as blocks of plain values (`blocks`); each form escapes whatever it writes, in
one place. A page needs nothing from elsewhere: no scripts, no fonts, no images.
"""
