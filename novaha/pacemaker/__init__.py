"""The only callers of Pacemaker's tools, and the only users of lxml."""
