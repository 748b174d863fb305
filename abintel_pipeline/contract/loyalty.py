"""Result tables of the loyalty step."""

import pandera.pandas as pa

from abintel_pipeline.contract.columns import Day, Float, Table, Text, Whole


class CustomerLoyalty(pa.DataFrameModel):
    """One row per (snapshot_date, customer_id)."""

    snapshot_date: Day = pa.Field(description="Day at whose end the snapshot was taken.")
    customer_id: Text = pa.Field(unique=True, description="CRM/ERP key of the customer.")
    loyalty_score: Float = pa.Field(
        ge=0, le=1, description="Weighted min-max loyalty index, 0..1 (1 = best), four decimals."
    )
    segment: Text = pa.Field(
        description="Segment of the score, by the segment thresholds in force."
    )

    class Config:
        strict = True
        ordered = True


class LoyaltySummary(pa.DataFrameModel):
    """One row per snapshot (none if nobody bought): the spread of loyalty, and its rules.

    `weight_*` are the weights in force (0 for a metric that was constant; the rest add up to 1);
    `lower_*` and `upper_*` the bounds between which that metric was scaled (null where its weight
    is 0).
    """

    snapshot_date: Day = pa.Field(description="Day at whose end the snapshot was taken.")
    customers: Whole = pa.Field(ge=1, description="Customers in the snapshot.")
    mean_score: Float = pa.Field(ge=0, le=1, description="Mean loyalty score.")
    median_score: Float = pa.Field(ge=0, le=1, description="Median loyalty score.")
    top_decile_threshold: Float = pa.Field(
        ge=0, le=1, description="90th percentile of the loyalty score."
    )
    segment_counts: Text = pa.Field(description="Customers per segment, as a JSON object.")
    segment_thresholds: Text = pa.Field(description="Lowest score per segment, as a JSON object.")
    weight_purchase_total: Float = pa.Field(ge=0, le=1, description="Weight in force.")
    weight_visit_frequency: Float = pa.Field(ge=0, le=1, description="Weight in force.")
    weight_avg_ticket: Float = pa.Field(ge=0, le=1, description="Weight in force.")
    weight_product_diversity: Float = pa.Field(ge=0, le=1, description="Weight in force.")
    weight_recency_days: Float = pa.Field(ge=0, le=1, description="Weight in force.")
    lower_purchase_total: Float = pa.Field(nullable=True, description="Lower bound in force.")
    lower_visit_frequency: Float = pa.Field(nullable=True, description="Lower bound in force.")
    lower_avg_ticket: Float = pa.Field(nullable=True, description="Lower bound in force.")
    lower_product_diversity: Float = pa.Field(nullable=True, description="Lower bound in force.")
    lower_recency_days: Float = pa.Field(nullable=True, description="Lower bound in force.")
    upper_purchase_total: Float = pa.Field(nullable=True, description="Upper bound in force.")
    upper_visit_frequency: Float = pa.Field(nullable=True, description="Upper bound in force.")
    upper_avg_ticket: Float = pa.Field(nullable=True, description="Upper bound in force.")
    upper_product_diversity: Float = pa.Field(nullable=True, description="Upper bound in force.")
    upper_recency_days: Float = pa.Field(nullable=True, description="Upper bound in force.")
    rules: Text = pa.Field(description="Every rule in force in the run, as a JSON object.")

    class Config:
        strict = True
        ordered = True


CUSTOMER_LOYALTY = Table("customer_loyalty", CustomerLoyalty, "snapshot_date", ("customer_id",))
LOYALTY_SUMMARY = Table("loyalty_summary", LoyaltySummary, "snapshot_date", ())
