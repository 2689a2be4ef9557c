"""Every page of the admin, by what people do there. All ModelAdmins live here.

`site` and `apps` put the rooms together. From the top: home, leads, bulk, then data and queue, then kartra
and staff; a room may import those below it, `kartra_mirror.ui` and both apps. It saves no mirror row: forms and actions record changes.
"""
