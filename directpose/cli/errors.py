"""The error for a user's mistake."""


class UserError(Exception):
    """What was asked for cannot be done, and the message says what to do instead.

    The message is one line that names the file or option. The command lines print it without a
    traceback.
    """
