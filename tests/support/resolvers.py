"""Resolvers for tests: what a name resolves to, without a name server."""


class Answers:
    """A resolver that returns its answers in order, then repeats the last one."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, name):
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [answer]
