"""Who comes in, from where, and for how long: the client's address, the throttle of sign-ins, devices that are known, sessions that
end, the second factor. The pages about it are in `kartra_mirror.admin.staff`. May import `edge`, `integrations` and `leads`."""
