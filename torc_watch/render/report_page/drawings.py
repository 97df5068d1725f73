"""All pictures; importing this needs matplotlib."""

from torc_watch.render.report_page.hours_picture import hours_picture
from torc_watch.render.report_page.timeline_picture import timeline_note, timeline_picture
from torc_watch.render.report_page.use_picture import use_picture

__all__ = ["hours_picture", "timeline_note", "timeline_picture", "use_picture"]
