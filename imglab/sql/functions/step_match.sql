-- Function of a relation `pair` (by name; columns from_manifest_digest, to_manifest_digest), and of a relation with their
-- layers where those were read before (by name; else they are looked for in image_layer): which layer of one image is
-- which of the other. One row per pair and layer of either image, paired one to one where they match: `from_position`
-- or `to_position` is null for a layer that has no partner. Pairs may be given twice and count once.
-- Rules, each over what those before it left, within it the k-th with the k-th of the same key:
--   `layer`        1: the same content made by the same step; 2: the same content, which either image has once;
--                  9, 10: the same content that is there several times (as of layers that hold nothing), where the
--                  step of either is unknown
--   `text`         3, 4: the same step but for the marks of builders (plain_step)
--   `normal text`  5, 6: and but for versions, digests, numbers and architectures (normal_step)
--   `label`        7, 8: the same step_label
--   `position`     11: a step of the same kind (step_kind); 12: the step of either is unknown, and as many are left on both sides
-- Rules 3, 5, 7, 9, 11 and 12 look between the same two neighbours only: those that were paired before, or the ends;
-- rules 4, 6, 8 and 10 then anywhere, for steps that changed places. So of steps that are there several times those
-- are paired that stand between the same others.
-- `is_unsure`: it has no partner, but may be a layer of the other image whose step is unknown.
with recursive wanted_pair as materialized (
    select distinct
        given.from_manifest_digest,
        given.to_manifest_digest,
    from query_table(pair) as given
    where
        given.from_manifest_digest is not null
        and given.to_manifest_digest is not null
),

numbered_pair as (
    select
        wanted_pair.*,
        row_number() over (
            order by wanted_pair.from_manifest_digest, wanted_pair.to_manifest_digest
        ) as pair_number,
    from wanted_pair
),

wanted_digest as (
    select wanted_pair.from_manifest_digest as manifest_digest,
    from wanted_pair
    union
    select wanted_pair.to_manifest_digest as manifest_digest,
    from wanted_pair
),

wanted_layer as materialized (
    select image_layer.*,
    from query_table(layer) as image_layer
    semi join wanted_digest on image_layer.manifest_digest = wanted_digest.manifest_digest
),

-- Texts are long and few.
known_text as (
    select distinct wanted_layer.created_by,
    from wanted_layer
    where wanted_layer.created_by is not null
),

read_text as (
    select
        known_text.created_by,
        plain_step(known_text.created_by) as plain_text,
        normal_step(known_text.created_by) as normal_text,
    from known_text
),

numbered_text as (
    select
        read_text.created_by,
        dense_rank() over (order by read_text.plain_text) as plain_key,
        dense_rank() over (order by read_text.normal_text) as normal_key,
    from read_text
),

side as (
    select
        numbered_pair.pair_number,
        true as is_from,
        numbered_pair.from_manifest_digest as manifest_digest,
    from numbered_pair
    union all
    select
        numbered_pair.pair_number,
        false as is_from,
        numbered_pair.to_manifest_digest as manifest_digest,
    from numbered_pair
),

layer_key as (
    select
        side.pair_number,
        side.is_from,
        wanted_layer.position,
        dense_rank() over (order by wanted_layer.layer_digest) as digest_key,
        count(*) over (partition by side.pair_number, side.is_from, wanted_layer.layer_digest) as digest_count,
        numbered_text.plain_key,
        numbered_text.normal_key,
        case
            when wanted_layer.step_label is not null then dense_rank() over (order by wanted_layer.step_label)
        end as label_key,
        case
            when step_kind(wanted_layer.instruction, wanted_layer.step_label) is not null
                then dense_rank() over (order by step_kind(wanted_layer.instruction, wanted_layer.step_label))
        end as kind_key,
        wanted_layer.step_label is null and wanted_layer.created_by is null as is_unknown,
    from side
    join wanted_layer on side.manifest_digest = wanted_layer.manifest_digest
    left join numbered_text on wanted_layer.created_by = numbered_text.created_by
),

-- partner: the position, in the image compared from, of the layer of a pair; null while there is none.
matched as (
    select
        layer_key.*,
        null::bigint as partner,
        0 as rule,
        null::integer as matched_by,
    from layer_key
    union all
    (
        with placed as (
            select
                matched.*,
                matched.rule + 1 as next_rule,
                case
                    when matched.rule + 1 in (3, 5, 7, 9, 11, 12)
                        then last_value(matched.partner ignore nulls) over (
                            partition by matched.pair_number, matched.is_from
                            order by matched.position
                            rows between unbounded preceding and 1 preceding
                        )
                end as neighbour_before,
                case
                    when matched.rule + 1 in (3, 5, 7, 9, 11, 12)
                        then first_value(matched.partner ignore nulls) over (
                            partition by matched.pair_number, matched.is_from
                            order by matched.position
                            rows between 1 following and unbounded following
                        )
                end as neighbour_after,
                case matched.rule + 1
                    when 1 then matched.digest_key
                    when 2 then case when matched.digest_count = 1 then matched.digest_key end
                    when 3 then matched.plain_key
                    when 4 then matched.plain_key
                    when 5 then matched.normal_key
                    when 6 then matched.normal_key
                    when 7 then matched.label_key
                    when 8 then matched.label_key
                    when 9 then matched.digest_key
                    when 10 then matched.digest_key
                    when 11 then matched.kind_key
                    when 12 then 0
                end as rule_key,
                case when matched.rule + 1 = 1 then coalesce(matched.plain_key, -matched.label_key, 0) end as step_key,
            from matched
            where matched.rule < 12
        ),

        counted as (
            select
                placed.*,
                row_number() over (
                    partition by
                        placed.pair_number,
                        placed.is_from,
                        placed.partner is null,
                        placed.rule_key,
                        placed.step_key,
                        placed.neighbour_before,
                        placed.neighbour_after
                    order by placed.position
                ) as occurrence,
                count(*) over (
                    partition by
                        placed.pair_number,
                        placed.is_from,
                        placed.partner is null,
                        placed.rule_key,
                        placed.step_key,
                        placed.neighbour_before,
                        placed.neighbour_after
                ) as occurrence_count,
            from placed
        ),

        paired as (
            select
                counted.*,
                case
                    when counted.partner is null and counted.rule_key is not null
                        then case
                            when
                                count(*) over same_key = 2
                                and (
                                    counted.next_rule not in (9, 10, 12) or bool_or(counted.is_unknown) over same_key
                                )
                                and (
                                    counted.next_rule <> 12
                                    or min(counted.occurrence_count) over same_key
                                    = max(counted.occurrence_count) over same_key
                                )
                                then min(counted.position) filter (where counted.is_from) over same_key
                        end
                end as found,
            from counted
            window same_key as (
                partition by
                    counted.pair_number,
                    counted.partner is null,
                    counted.rule_key,
                    counted.step_key,
                    counted.neighbour_before,
                    counted.neighbour_after,
                    counted.occurrence
            )
        )

        select
            paired.pair_number,
            paired.is_from,
            paired.position,
            paired.digest_key,
            paired.digest_count,
            paired.plain_key,
            paired.normal_key,
            paired.label_key,
            paired.kind_key,
            paired.is_unknown,
            coalesce(paired.partner, paired.found) as partner,
            paired.next_rule as rule,
            case when paired.found is not null then paired.next_rule else paired.matched_by end as matched_by,
        from paired
    )
),

final as (
    select
        matched.*,
        bool_or(matched.is_unknown) filter (where matched.partner is null and matched.is_from) over one_pair
            as is_from_unknown,
        bool_or(matched.is_unknown) filter (where matched.partner is null and not matched.is_from) over one_pair
            as is_to_unknown,
    from matched
    where matched.rule = 12
    window one_pair as (partition by matched.pair_number)
),

joined as (
    select
        coalesce(layer_from.pair_number, layer_to.pair_number) as pair_number,
        layer_from.position as from_position,
        layer_to.position as to_position,
        layer_from.matched_by,
        coalesce(
            case
                when layer_to.pair_number is null then layer_from.is_unknown or layer_from.is_to_unknown
                when layer_from.pair_number is null then layer_to.is_unknown or layer_to.is_from_unknown
            end,
            false
        ) as is_unsure,
    from (select final.* from final where final.is_from) as layer_from
    full join (select final.* from final where not final.is_from) as layer_to
        on layer_from.pair_number = layer_to.pair_number
        and layer_from.partner = layer_to.partner
)

select
    numbered_pair.from_manifest_digest,
    numbered_pair.to_manifest_digest,
    joined.from_position,
    joined.to_position,
    case
        when joined.matched_by in (1, 2, 9, 10) then 'layer'
        when joined.matched_by in (3, 4) then 'text'
        when joined.matched_by in (5, 6) then 'normal text'
        when joined.matched_by in (7, 8) then 'label'
        when joined.matched_by in (11, 12) then 'position'
    end as match,
    joined.is_unsure,
from joined
join numbered_pair on joined.pair_number = numbered_pair.pair_number
