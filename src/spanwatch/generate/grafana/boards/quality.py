"""Quality: what users say, of which agent, model and version, and what falls."""

from __future__ import annotations

from spanwatch.core import names
from spanwatch.core.names import AGENT_NAME, APP_VERSION, EVALUATION_LABEL, FEEDBACK_KIND, REQUEST_MODEL
from spanwatch.generate.grafana import asking
from spanwatch.generate.grafana.declared import THIRD, Board, Query, Row
from spanwatch.generate.grafana.panels import by, figure, lines, sheet, spread

_LOW = asking.bound_of("LowRatings")
_STEPS = asking.worse_below(_LOW + 1, _LOW)


NOW = Row(
    "What users say",
    (
        figure(
            "Average rating",
            f"Mean rating of this range, from 1 to 5. Red where the rule LowRatings fires: below {_LOW:g}.",
            asking.range_mean(names.RATING),
            "short",
            steps=_STEPS,
        ),
        figure("Ratings", "Ratings of this range.", asking.increase(names.RATING), "short"),
        figure(
            "Low ratings",
            "Part of the ratings that are 2 or less.",
            f"({asking.increase(names.LOW_RATINGS)} or vector(0)) / {asking.increase(names.RATING)}",
            "percentunit",
            steps=asking.worse_above(0.1, 0.25),
        ),
        figure(
            "Rated",
            "Ratings over requests of this range: how many of the users say anything.",
            f"{asking.increase(names.FEEDBACK)} / {asking.increase(names.REQUEST_DURATION)}",
            "percentunit",
        ),
        lines(
            "Average rating",
            "Mean rating over time. The line is where the rule LowRatings fires.",
            "short",
            Query(asking.mean(names.RATING), "average"),
            steps=_STEPS,
            highest=5,
        ),
        lines(
            "Feedback by label",
            "Pieces of feedback per second.",
            "reqps",
            by(asking.rate(names.FEEDBACK, (FEEDBACK_KIND, EVALUATION_LABEL)), (FEEDBACK_KIND, EVALUATION_LABEL)),
            stacked=True,
        ),
        spread(names.RATING, "Spread of ratings", width=THIRD),
        lines(
            "Low ratings by agent",
            "Low ratings per second.",
            "reqps",
            by(asking.most(asking.rate(names.LOW_RATINGS, (AGENT_NAME,))), (AGENT_NAME,)),
            width=THIRD,
        ),
        lines(
            "Average by version",
            "Mean rating of each version of the application.",
            "short",
            by(asking.mean(names.RATING, (APP_VERSION,)), (APP_VERSION,)),
            width=THIRD,
            highest=5,
        ),
    ),
)

BY = Row(
    "Of what",
    tuple(
        sheet(
            f"By {word}",
            f"Ratings of this range by {word}.",
            (key,),
            [
                ("ratings", "short", asking.increase(names.RATING, (key,))),
                ("average", "short", asking.range_mean(names.RATING, (key,))),
                ("low", "short", asking.increase(names.LOW_RATINGS, (key,))),
            ],
            width=THIRD,
        )
        for word, key in (("agent", AGENT_NAME), ("model", REQUEST_MODEL), ("version", APP_VERSION))
    ),
)

BOARD = Board(
    "spanwatch-quality",
    "spanwatch / Quality",
    "What users say of the answers.",
    (NOW, BY),
)
