"""Whether somebody has to look: what needs a person (`concerns`), who works (`alive`), and telling it (`telling`, `words`, `web`,
`heartbeat_url`); and who enters a watched segment (`entering`). May import whatever does the work; only tasks, the web process, the
status command and the pages of a watched segment import it."""
