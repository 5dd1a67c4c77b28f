"""What a tracked session looks like: a rerun recording, an HTML report, overlays on the pictures.

* :func:`handloom.view.recording.write_recording` and :func:`handloom.view.viewer.show`
* :func:`handloom.view.report.write_report`
* :func:`handloom.view.overlay.draw_skeleton` and :func:`handloom.view.overlay.write_overlay_video`

Nothing is imported here, so that the report does not wait for the viewer's library.
"""
