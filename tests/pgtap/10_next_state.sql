-- The state machine by itself. A state is written 'state severity pending_at judged_at event', a limit 'direction warning
-- critical clear_band hold max_gap'; times are seconds, '-' is null.
begin;
select plan(86);

create function pg_temp.second(p_text text) returns timestamptz language sql as $$
    select '2031-03-30 12:00+00'::timestamptz + nullif(p_text, '-')::numeric * interval '1 second'
$$;
create function pg_temp.next(p_state text, p_limit text, p_at text, p_value float8) returns text language plpgsql as $$
declare
    s text[] := string_to_array(p_state, ' ', '-');
    l text[] := string_to_array(p_limit, ' ', '-');
    n pgvigil.alert_state;
begin
    n := pgvigil.next_state(
        case when s is not null
            then (s[1], s[2], pg_temp.second(s[3]), pg_temp.second(s[4]), s[5])::pgvigil.alert_state
        end,
        (l[1], l[2], l[3], l[4], l[5] || ' seconds', l[6] || ' seconds')::pgvigil.alert_limit,
        pg_temp.second(p_at), p_value
    );
    return concat_ws(
        ' ', n.state, coalesce(n.severity, '-'),
        coalesce(trim_scale(extract(epoch from n.pending_at - pg_temp.second('0')))::text, '-'),
        coalesce(trim_scale(extract(epoch from n.judged_at - pg_temp.second('0')))::text, '-'), coalesce(n.event, '-')
    );
end
$$;

select is(
    pg_temp.next(c.state, c.alert_limit, c.at, c.value), c.next, c.description
)
from (
    values
    -- ok
    ('below the limit nothing happens', 'ok - - - -', 'above 90 98 5 60 30', '0', 89.999, 'ok - - 0 -'),
    ('exactly at the warning is over it', 'ok - - - -', 'above 90 98 5 60 30', '0', 90, 'pending warning 0 0 -'),
    ('just below critical is a warning', 'ok - - - -', 'above 90 98 5 60 30', '0', 97.999, 'pending warning 0 0 -'),
    ('exactly at critical is critical', 'ok - - - -', 'above 90 98 5 60 30', '0', 98, 'pending critical 0 0 -'),
    ('a series that never was judged is ok', null, 'above 90 98 5 60 30', '0', 95, 'pending warning 0 0 -'),
    ('a series that never was judged stays ok', null, 'above 90 98 5 60 30', '0', 5, 'ok - - 0 -'),
    ('hold 0 fires at once', 'ok - - - -', 'above 90 98 5 0 30', '0', 90, 'firing warning 0 0 fired'),
    ('hold 0 fires critical at once', 'ok - - - -', 'above 90 98 5 0 30', '0', 98, 'firing critical 0 0 fired'),
    ('hold 0 does not fire below the limit', 'ok - - - -', 'above 90 98 5 0 30', '0', 89.999, 'ok - - 0 -'),
    ('the clear band is not for what is ok', 'ok - - - -', 'above 90 98 5 0 30', '0', 86, 'ok - - 0 -'),
    ('a short hold that is over fires a tenth of a second later', 'pending warning 0 0 -', 'above 90 98 5 0.1 30', '0.1', 90, 'firing warning 0 0.1 fired'),
    -- pending
    ('pending ends below the limit', 'pending warning 0 10 -', 'above 90 98 5 60 30', '20', 89.999, 'ok - - 20 -'),
    ('pending ends within the clear band too', 'pending warning 0 10 -', 'above 90 98 5 60 30', '20', 86, 'ok - - 20 -'),
    ('pending goes on over the limit', 'pending warning 0 10 -', 'above 90 98 5 60 30', '20', 91, 'pending warning 0 20 -'),
    ('a moment before the hold it is pending', 'pending warning 0 50 -', 'above 90 98 5 60 30', '59.999999', 91, 'pending warning 0 59.999999 -'),
    ('exactly at the hold it fires', 'pending warning 0 50 -', 'above 90 98 5 60 30', '60', 91, 'firing warning 0 60 fired'),
    ('after the hold it fires', 'pending warning 0 50 -', 'above 90 98 5 60 30', '70', 91, 'firing warning 0 70 fired'),
    ('below the limit at the end of the hold it does not fire', 'pending warning 0 50 -', 'above 90 98 5 60 30', '60', 89, 'ok - - 60 -'),
    ('pending severity rises with the value', 'pending warning 0 10 -', 'above 90 98 5 60 30', '20', 99, 'pending critical 0 20 -'),
    ('pending severity falls with the value', 'pending critical 0 10 -', 'above 90 98 5 60 30', '20', 97, 'pending warning 0 20 -'),
    ('it fires with the severity of its last value: critical', 'pending warning 0 50 -', 'above 90 98 5 60 30', '60', 98, 'firing critical 0 60 fired'),
    ('it fires with the severity of its last value: warning', 'pending critical 0 50 -', 'above 90 98 5 60 30', '60', 97, 'firing warning 0 60 fired'),
    ('a gap of exactly max_gap does not break the hold', 'pending warning 0 10 -', 'above 90 98 5 60 30', '40', 91, 'pending warning 0 40 -'),
    ('a gap over max_gap begins the hold anew', 'pending warning 0 10 -', 'above 90 98 5 60 30', '40.000001', 91, 'pending warning 40.000001 40.000001 -'),
    ('at the end of the hold a gap of exactly max_gap does not prevent firing', 'pending warning 0 30 -', 'above 90 98 5 60 30', '60', 91, 'firing warning 0 60 fired'),
    ('a gap over max_gap prevents firing', 'pending warning 0 30 -', 'above 90 98 5 60 30', '60.000001', 91, 'pending warning 60.000001 60.000001 -'),
    ('a gap does not keep a value below the limit pending', 'pending warning 0 30 -', 'above 90 98 5 60 30', '500', 89, 'ok - - 500 -'),
    ('with no max_gap nothing is a gap', 'pending warning 0 10 -', 'above 90 98 5 60 -', '5000', 91, 'firing warning 0 5000 fired'),
    ('pending fires at once when its hold is taken away', 'pending warning 0 10 -', 'above 90 98 5 0 30', '20', 91, 'firing warning 0 20 fired'),
    ('a hold made longer keeps it pending', 'pending warning 0 50 -', 'above 90 98 5 600 30', '60', 91, 'pending warning 0 60 -'),
    -- firing
    ('firing goes on over the limit, without another mail', 'firing warning 0 60 -', 'above 90 98 5 60 30', '70', 91, 'firing warning 0 70 -'),
    ('just below the limit it is still firing', 'firing warning 0 60 -', 'above 90 98 5 60 30', '70', 89.999, 'firing warning 0 70 -'),
    ('exactly at the limit less the band it is still firing', 'firing warning 0 60 -', 'above 90 98 5 60 30', '70', 85, 'firing warning 0 70 -'),
    ('below the limit by more than the band it is resolved', 'firing warning 0 60 -', 'above 90 98 5 60 30', '70', 84.999, 'ok warning - 70 resolved'),
    ('just below critical it does not escalate', 'firing warning 0 60 -', 'above 90 98 5 60 30', '70', 97.999, 'firing warning 0 70 -'),
    ('exactly at critical it escalates', 'firing warning 0 60 -', 'above 90 98 5 60 30', '70', 98, 'firing critical 0 70 escalated'),
    ('critical goes on, without another mail', 'firing critical 0 60 -', 'above 90 98 5 60 30', '70', 99, 'firing critical 0 70 -'),
    ('exactly at critical less the band it is still critical', 'firing critical 0 60 -', 'above 90 98 5 60 30', '70', 93, 'firing critical 0 70 -'),
    ('below critical by more than the band it eases', 'firing critical 0 60 -', 'above 90 98 5 60 30', '70', 92.999, 'firing warning 0 70 eased'),
    ('it eases as long as the warning is held', 'firing critical 0 60 -', 'above 90 98 5 60 30', '70', 85, 'firing warning 0 70 eased'),
    ('critical resolves without a stop at the warning', 'firing critical 0 60 -', 'above 90 98 5 60 30', '70', 84.999, 'ok critical - 70 resolved'),
    ('a gap does not end what fires', 'firing warning 0 60 -', 'above 90 98 5 60 30', '5000', 91, 'firing warning 0 5000 -'),
    ('after a gap it resolves by the value', 'firing warning 0 60 -', 'above 90 98 5 60 30', '5000', 5, 'ok warning - 5000 resolved'),
    ('a longer hold does not end what fires', 'firing warning 0 60 -', 'above 90 98 5 6000 30', '70', 91, 'firing warning 0 70 -'),
    ('a raised limit ends what fires', 'firing warning 0 60 -', 'above 97 98 1 60 30', '70', 91, 'ok warning - 70 resolved'),
    ('a lowered critical limit escalates', 'firing warning 0 60 -', 'above 80 90 5 60 30', '70', 91, 'firing critical 0 70 escalated'),
    ('after it resolved it begins as from ok', 'ok warning - 70 resolved', 'above 90 98 5 60 30', '80', 91, 'pending warning 80 80 -'),
    ('the event of an earlier sample is not repeated', 'firing warning 0 60 fired', 'above 90 98 5 60 30', '70', 91, 'firing warning 0 70 -'),
    -- late, equal, without a value
    ('a late sample does not resolve', 'firing warning 0 60 -', 'above 90 98 5 60 30', '59', 5, 'firing warning 0 60 -'),
    ('a late sample does not escalate', 'firing warning 0 60 -', 'above 90 98 5 60 30', '59', 99, 'firing warning 0 60 -'),
    ('the same sample again does not resolve', 'firing warning 0 60 -', 'above 90 98 5 60 30', '60', 5, 'firing warning 0 60 -'),
    ('the same sample again does not fire', 'pending warning 0 60 -', 'above 90 98 5 60 30', '60', 91, 'pending warning 0 60 -'),
    ('a late sample does not end what is pending', 'pending warning 0 50 -', 'above 90 98 5 60 30', '40', 5, 'pending warning 0 50 -'),
    ('a late sample does not make pending', 'ok - - 50 -', 'above 90 98 5 60 30', '40', 95, 'ok - - 50 -'),
    ('a late sample repeats no event', 'firing warning 0 60 fired', 'above 90 98 5 60 30', '50', 91, 'firing warning 0 60 -'),
    ('no value: ok stays', 'ok - - 50 -', 'above 90 98 5 60 30', '60', null, 'ok - - 50 -'),
    ('no value: pending stays, and it counts as missing', 'pending warning 0 50 -', 'above 90 98 5 60 30', '60', null, 'pending warning 0 50 -'),
    ('no value: firing stays', 'firing critical 0 50 -', 'above 90 98 5 60 30', '60', null, 'firing critical 0 50 -'),
    -- one limit only
    ('critical only: below it nothing happens', 'ok - - - -', 'above - 98 5 60 30', '0', 97.999, 'ok - - 0 -'),
    ('critical only: at it pending critical', 'ok - - - -', 'above - 98 5 60 30', '0', 98, 'pending critical 0 0 -'),
    ('critical only: within the band still critical', 'firing critical 0 60 -', 'above - 98 5 60 30', '70', 93, 'firing critical 0 70 -'),
    ('critical only: below the band resolved, not eased', 'firing critical 0 60 -', 'above - 98 5 60 30', '70', 92.999, 'ok critical - 70 resolved'),
    ('warning only: nothing is critical', 'ok - - - -', 'above 90 - 5 0 30', '0', 1e308, 'firing warning 0 0 fired'),
    ('warning only: nothing escalates', 'firing warning 0 60 -', 'above 90 - 5 60 30', '70', 1e308, 'firing warning 0 70 -'),
    ('warning only: it resolves', 'firing warning 0 60 -', 'above 90 - 5 60 30', '70', 84.999, 'ok warning - 70 resolved'),
    ('critical taken away: eases', 'firing critical 0 60 -', 'above 90 - 5 60 30', '70', 99, 'firing warning 0 70 eased'),
    ('warning taken away: resolves below critical', 'firing warning 0 60 -', 'above - 98 5 60 30', '70', 92, 'ok warning - 70 resolved'),
    ('both taken away: resolves', 'firing warning 0 60 -', 'above - - 5 60 30', '70', 99, 'ok warning - 70 resolved'),
    -- bands
    ('a band wider than the distance of the limits keeps critical below the warning', 'firing critical 0 60 -', 'above 90 98 10 60 30', '70', 88, 'firing critical 0 70 -'),
    ('below such a band it eases', 'firing critical 0 60 -', 'above 90 98 10 60 30', '70', 87.999, 'firing warning 0 70 eased'),
    ('what eased so is held by the band of the warning', 'firing warning 0 70 -', 'above 90 98 10 60 30', '80', 80, 'firing warning 0 80 -'),
    ('and resolves below that', 'firing warning 0 70 -', 'above 90 98 10 60 30', '80', 79.999, 'ok warning - 80 resolved'),
    ('no band: resolved just below the limit', 'firing warning 0 60 -', 'above 90 98 0 60 30', '70', 89.999, 'ok warning - 70 resolved'),
    ('a band that is null is none', 'firing warning 0 60 -', 'above 90 98 - 60 30', '70', 89.999, 'ok warning - 70 resolved'),
    ('no band: at the limit still firing', 'firing warning 0 60 -', 'above 90 98 - 60 30', '70', 90, 'firing warning 0 70 -'),
    -- from below
    ('below: above the limit nothing happens', 'ok - - - -', 'below 100 50 10 60 30', '0', 100.001, 'ok - - 0 -'),
    ('below: exactly at the warning is a breach', 'ok - - - -', 'below 100 50 10 60 30', '0', 100, 'pending warning 0 0 -'),
    ('below: exactly at critical is critical', 'ok - - - -', 'below 100 50 10 0 30', '0', 50, 'firing critical 0 0 fired'),
    ('below: up to the limit and the band still firing', 'firing warning 0 60 -', 'below 100 50 10 60 30', '70', 110, 'firing warning 0 70 -'),
    ('below: over limit and band resolved', 'firing warning 0 60 -', 'below 100 50 10 60 30', '70', 110.001, 'ok warning - 70 resolved'),
    ('below: escalates downwards', 'firing warning 0 60 -', 'below 100 50 10 60 30', '70', 50, 'firing critical 0 70 escalated'),
    ('below: up to critical and the band still critical', 'firing critical 0 60 -', 'below 100 50 10 60 30', '70', 60, 'firing critical 0 70 -'),
    ('below: eases upwards', 'firing critical 0 60 -', 'below 100 50 10 60 30', '70', 60.001, 'firing warning 0 70 eased'),
    ('below: 0 is the worst', 'firing warning 0 60 -', 'below 100 50 10 60 30', '70', 0, 'firing critical 0 70 escalated')
) as c (description, state, alert_limit, at, value, next);

select volatility_is(
    'pgvigil', 'next_state', array['pgvigil.alert_state', 'pgvigil.alert_limit', 'timestamp with time zone', 'double precision'],
    'immutable', 'the state machine is pure'
);

-- Over a long random walk: an incident is fired, then goes up and down in turn, then resolves; and then the next one.
select is_empty(
    $test$
    with recursive walk as (
        select 0 as n, 85.0::float8 as value, null::pgvigil.alert_state as s, ''::text as before
        union all
        select
            w.n + 1,
            x.value,
            pgvigil.next_state(
                w.s, ('above', 90, 98, 5, '30 seconds', '30 seconds')::pgvigil.alert_limit,
                '2031-03-30 12:00+00'::timestamptz + w.n * interval '10 seconds', x.value
            ),
            coalesce((w.s).event, w.before)
        from walk as w
        -- no random(): the same walk each time
        cross join lateral (
            select 83 + abs(hashint4(w.n)::bigint) % 190 / 10.0 as value
        ) as x
        where w.n < 3000
    ),
    events as (
        select w.n, w.before || '>' || (w.s).event as step from walk as w where (w.s).event is not null
    )
    select e.step, min(e.n) from events as e
    where e.step not in (
        '>fired', 'resolved>fired', 'fired>escalated', 'fired>eased', 'fired>resolved', 'escalated>eased',
        'escalated>resolved', 'eased>escalated', 'eased>resolved'
    )
    group by e.step
    union all
    -- and the walk sees them all, but for the first
    select x.step, null from unnest(array[
        'resolved>fired', 'fired>escalated', 'fired>eased', 'fired>resolved', 'escalated>eased', 'escalated>resolved',
        'eased>escalated', 'eased>resolved'
    ]) as x (step)
    where x.step not in (select e.step from events as e)
    $test$,
    'over a long walk events come in an order that tells a story'
);

select * from finish();
rollback;
