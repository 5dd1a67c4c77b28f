"""What learns: torch modules. Needs the extra ``learn``; nothing here is imported by the capture rooms."""
