"""The base of all errors that a user can mend."""


class UserError(ValueError):
    """A mistake that the user can mend. The command lines print it without a traceback.

    The message is one line that names the file or option, and says what to do.
    """
