"""Lists of sites that others wrote: CSV, sitemaps, OPML, bookmarks files, plain lists of URLs."""
