"""The admin site: the one room that composes both apps."""
