"""The pages of the sandbox: the pretend account for a human, who acts in it as a person in Kartra would. They are made of the
product's own style sheets and no others."""

from integrations.sandbox.page.acting import act
from integrations.sandbox.page.frame import POLICY, style
from integrations.sandbox.page.home import show

__all__ = ["POLICY", "act", "show", "style"]
