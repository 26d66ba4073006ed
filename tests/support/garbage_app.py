"""The real web process, which also tells how many objects a full garbage collection looks at, and how many it does not."""

import gc

from app import app


@app.get("/garbage")
def garbage() -> dict[str, int]:
    return {"looked_at": len(gc.get_objects()), "frozen": gc.get_freeze_count()}
