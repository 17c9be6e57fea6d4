"""What a person reads of an evaluation: a page, a JSON file, a card, and two worlds side by side."""

from worldsim.evaluate.report.document import Document as Document
from worldsim.evaluate.report.document import read_document as read_document
from worldsim.evaluate.report.write import write_comparison as write_comparison
from worldsim.evaluate.report.write import write_document as write_document
from worldsim.evaluate.report.write import write_report as write_report
