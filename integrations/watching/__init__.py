"""Whether somebody has to look: what needs a person (`concerns`), who works (`alive`), and telling it (`telling`, `words`, `web`,
`heartbeat_url`). May import whatever does the work; only tasks, the web process and the status command import it."""
