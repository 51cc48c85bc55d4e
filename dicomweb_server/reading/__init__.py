"""The report module: exams, reading tasks, reports, signatures, and what leaves when they issue."""
