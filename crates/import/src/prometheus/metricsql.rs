//! What only MetricsQL, the language of VictoriaMetrics, has. A rule that uses it is no mistake; it is just not PromQL.

/// Functions, operators and words that PromQL does not know.
const FUNCTIONS: &str = "aggr_over_time alias any ascent_over_time bitmap_and bitmap_or bitmap_xor bottomk_avg \
    bottomk_last bottomk_max bottomk_median bottomk_min buckets_limit changes_prometheus count_eq_over_time \
    count_gt_over_time count_le_over_time count_ne_over_time count_values_over_time day_of_year decreases_over_time \
    default_rollup delta_prometheus deriv_fast descent_over_time distinct distinct_over_time drop_common_labels \
    drop_empty_series duration_over_time end first_over_time geomean geomean_over_time histogram histogram_avg \
    histogram_over_time histogram_share histogram_stddev histogram_stdvar hoeffding_bound_lower hoeffding_bound_upper \
    ideriv increase_prometheus increase_pure increases_over_time integrate interpolate iqr_over_time keep_last_value \
    keep_next_value label_copy label_del label_graphite_group label_keep label_lowercase label_map label_match \
    label_mismatch label_move label_set label_transform label_uppercase label_value labels_equal lag last_over_time \
    lifetime limit_offset limitk mad mad_over_time median median_over_time mode mode_over_time now outlier_iqr_over_time \
    outliers_iqr outliers_mad outliersk prometheus_buckets quantiles quantiles_over_time rand rand_exponential \
    rand_normal range_avg range_first range_last range_linear_regression range_mad range_max range_median range_min \
    range_normalize range_over_time range_quantile range_stddev range_stdvar range_sum range_trim_iqr \
    range_trim_outliers range_trim_spikes range_trim_zscore range_zscore rate_over_sum rate_prometheus remove_resets \
    resets_prometheus rollup rollup_candlestick rollup_delta rollup_deriv rollup_increase rollup_rate \
    rollup_scrape_interval ru running_avg running_max running_min running_sum scrape_interval share share_eq_over_time \
    share_gt_over_time share_le_over_time smooth_exponential sort_by_label sort_by_label_desc sort_by_label_numeric \
    sort_by_label_numeric_desc stale_samples_over_time start step sum2 sum2_over_time sum_eq_over_time sum_gt_over_time \
    sum_le_over_time tfirst_over_time timezone_offset tlast_change_over_time tlast_over_time tmax_over_time \
    tmin_over_time topk_avg topk_last topk_max topk_median topk_min union vmrange_to_le zscore_over_time";

/// The first thing in an expression that PromQL does not have and MetricsQL has.
pub(crate) fn only_there(expr: &str) -> Option<String> {
    let mut rest = expr;
    let mut found = None;
    while let Some(start) =
        rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"' || c == '\'')
    {
        rest = &rest[start..];
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let end = rest[1..].find(quote).map_or(rest.len(), |n| n + 2);
            rest = &rest[end..];
            continue;
        }
        let len = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(len);
        rest = after;
        let called = after.trim_start().starts_with('(');
        let lower = word.to_ascii_lowercase();
        if called && FUNCTIONS.split_whitespace().any(|name| name == lower) {
            found = Some(format!("{lower}()"));
        } else if called && lower == "with" {
            found = Some("WITH templates".to_owned());
        } else if matches!(lower.as_str(), "keep_metric_names" | "ifnot" | "default") {
            found = Some(format!("`{lower}`"));
        }
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_metricsql_has_is_found_outside_texts() {
        let name = |expr| only_there(expr);
        assert_eq!(
            name("1 - histogram_share(0.2, x)").as_deref(),
            Some("histogram_share()")
        );
        assert_eq!(name("x default 0").as_deref(), Some("`default`"));
        assert_eq!(name("x{a=\"default\"} > "), None);
        assert_eq!(name("rate(x[5m"), None);
    }
}
