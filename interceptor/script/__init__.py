"""What scripts see of the program: mitmproxy's names, as facades over our own records.

    script ─ flow.request.headers["x"] = "1" ─▸ facade ─ before_edit: backup, note the change ─▸ model.HttpFlow

`from mitmproxy import http, ctx` and `from interceptor.script import http, ctx` are the same modules (see `aliases`). A facade
holds no state of the flow: it reads and writes the record, so what a script does and what a person does in the console are one.
The meaning of every attribute is mitmproxy's; what it has and we do not is an AttributeError, never a silent nothing. Nothing of
this is imported unless there is a script.
"""
