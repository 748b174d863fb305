"""The three documented calls: a request's JSON in, its response out, by the pipeline's formulas."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import ValidationError

from abintel_pipeline.engine.parallel import parallel_map
from abintel_pipeline.rules import Rules
from abintel_pipeline.service.calls import plan_tables
from abintel_pipeline.service.calls.decoding import (
    FEATURES,
    LOYALTY,
    RFM,
    Body,
    Chunk,
    DecodedRequest,
)
from abintel_pipeline.service.calls.documents import (
    CustomerFeatures,
    CustomerLoyalty,
    CustomerRfm,
    Fault,
    FeaturesResponse,
    LoyaltyResponse,
    RfmResponse,
    encode,
    value_or,
)
from abintel_pipeline.service.calls.enforcing import Enforcement
from abintel_pipeline.service.calls.examples import EXAMPLES
from abintel_pipeline.service.calls.faults import place_of
from abintel_pipeline.service.calls.formulas import Formulas, Results
from abintel_pipeline.service.calls.plan_tables import Columns
from abintel_pipeline.service.calls.plans import Plan, features_plan, loyalty_plan, rfm_plan
from abintel_pipeline.settings import Settings

ALONE = 1_000_000
"""Bytes of a request up to which one thread is the faster way."""

Cohort = tuple[Rules, list[str], list[pa.Table]]
"""The rules to score it by, its customers' ids, and their features."""


class Calls:
    """The calls under the settings' rules, for any number of threads at a time.

    Each takes a request's JSON and raises Refused where it isn't the document.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._formulas = Formulas(settings)
        self._beside = ThreadPoolExecutor(thread_name_prefix="beside")

    def close(self) -> None:
        """Close the engine; no call can be made afterwards."""
        self._beside.shutdown()
        self._formulas.close()

    def prepare(self) -> None:
        """Compile the formulas under the settings' rules by answering the documents' examples."""
        self.probe()
        self.customer_loyalty(encode(EXAMPLES["customer_loyalty"].request))
        self.customer_rfm(encode(EXAMPLES["customer_rfm"].request))

    def probe(self) -> None:
        """Answer a document's example."""
        self.customer_features(encode(EXAMPLES["customer_features"].request))

    def customer_features(self, body: Body) -> FeaturesResponse:
        """Six features per customer, over all transactions that were sent, however old."""
        request = DecodedRequest(FEATURES, body)
        enforcement = self._enforcement(request)
        plan = features_plan(self._settings.rules)
        customers: list[CustomerFeatures] = []
        for chunk, features in self._features(request, enforcement, plan):
            customers += plan_tables.features_rows(chunk.customer_ids, features)
        enforcement.settle()
        return FeaturesResponse(customers)

    def customer_loyalty(self, body: Body) -> LoyaltyResponse:
        """Scores, segments and their summary, of the customers that were sent as one cohort."""
        ids, made = self._scored(loyalty_plan, self._given_cohort(body))
        customers = plan_tables.response_rows(CustomerLoyalty, ids, made["loyalty"])
        return LoyaltyResponse(customers, plan_tables.summary(made["summary"]))

    def customer_rfm(self, body: Body) -> RfmResponse:
        """Scores, classes and tiers, and the thresholds they come from, of one cohort."""
        ids, made = self._scored(rfm_plan, self._computed_cohort(body))
        customers = plan_tables.response_rows(CustomerRfm, ids, made["rfm"])
        return RfmResponse(customers, plan_tables.thresholds(made["thresholds"]))

    # ── of a request its cohort is left, of a cohort its results ─────────────

    def _scored(
        self, plan_of: Callable[[Rules], Plan], cohort: Cohort
    ) -> tuple[list[str], Results]:
        rules, ids, parts = cohort
        return ids, self._formulas.run(plan_of(rules), plan_tables.cohort(parts))

    def _given_cohort(self, body: Body) -> Cohort:
        request = DecodedRequest(LOYALTY, body)
        enforcement = self._enforcement(request)
        rules = self._rules(request, enforcement, "weights", "segment_thresholds")
        ids, parts = [], []
        for chunk in request.chunks():
            parts.append(enforcement.features(chunk))
            ids += chunk.customer_ids
        enforcement.settle()
        return rules, ids, parts

    def _computed_cohort(self, body: Body) -> Cohort:
        request = DecodedRequest(RFM, body)
        enforcement = self._enforcement(request)
        rules = self._rules(request, enforcement, "bins")
        ids, parts = [], []
        plan = features_plan(rules, orders_only=True)
        for chunk, features in self._features(request, enforcement, plan):
            parts.append(plan_tables.features_table(features))
            ids += chunk.customer_ids
        enforcement.settle()
        return rules, ids, parts

    # ── a request's parts ────────────────────────────────────────────────────

    def _enforcement(self, request: DecodedRequest) -> Enforcement:
        today = value_or(getattr(request.options, "today", None), self._today())
        return Enforcement(request, today, self._settings.currency_decimals)

    def _today(self) -> date:
        return datetime.now(ZoneInfo(self._settings.timezone)).date()

    def _rules(self, request: DecodedRequest, enforcement: Enforcement, *names: str) -> Rules:
        """The settings' rules under the request's options; what can't be used is a fault."""
        base = self._settings.rules.model_dump()
        given = {name: value_or(getattr(request.options, name), base[name]) for name in names}
        try:
            return Rules(**base | given)
        except ValidationError as error:
            enforcement.add(_unusable(error, request))
            return self._settings.rules

    def _features(
        self, request: DecodedRequest, enforcement: Enforcement, plan: Plan
    ) -> Iterator[tuple[Chunk, Columns]]:
        """Each chunk of customers and their features, which depend on their own lines alone.

        From the first fault on there are none.
        """

        def made(chunk: Chunk) -> Columns | None:
            lines = enforcement.typed(chunk)
            tables = plan_tables.delivered(chunk, lines.rows, enforcement.today)
            # DuckDB computes while Pandera validates; results of faulty lines are dropped.
            computing = self._beside.submit(self._formulas.run, plan, tables)
            enforcement.tell(enforcement.held(chunk, lines))
            features = computing.result()["features"]
            return features if enforcement.clean else None

        alone, chunks = request.size <= ALONE, request.chunks()
        in_turn = ((one, made(one)) for one in chunks) if alone else parallel_map(made, chunks, 1)
        for chunk, features in in_turn:
            if features is not None:
                yield chunk, features


def _unusable(error: ValidationError, request: DecodedRequest) -> list[Fault]:
    """What the rules say about a request's options."""
    found = []
    for one in error.errors():
        path = tuple(one["loc"])
        wanted = one["msg"].replace("Value error, ", "another value: ")
        wanted = wanted.replace("Input should be ", "a number ")
        found.append(Fault(place_of(path), wanted, request.found(path)))
    return found
