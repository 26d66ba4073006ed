"""Who may see the gallery. An admin's session is read by web/admin, which lies above this folder."""

from flask import abort, current_app, g


def is_admin() -> bool:
    """Return whether the current request has an admin's session: web/admin then sets `g.admin` before the view runs."""
    return bool(g.get("admin"))


def may_see_gallery() -> bool:
    """Return whether the current request may see the gallery: anybody's if GALLERY_PUBLIC is true, else an admin's."""
    return current_app.extensions["services"].settings.gallery_public or is_admin()


def require_gallery() -> None:
    """Respond with 403 unless the current request may see the gallery."""
    if not may_see_gallery():
        abort(403)
