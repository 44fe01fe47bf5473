-- The heart: what a sample does to the state of a series. Pure: no table, no clock, no setting. The trigger, the tick
-- and the backtest all call it, so none of them can disagree with the others.
--
--   ok       over the limit                                     -> pending, or firing where hold is 0
--   pending  below the limit                                    -> ok
--   pending  over it, after a gap longer than max_gap           -> pending anew
--   pending  over it for as long as hold                        -> firing, event fired
--   firing   warning, and over critical                         -> critical, event escalated
--   firing   critical, below critical by the clear band         -> warning, event eased
--   firing   below every limit by the clear band                -> ok, event resolved
--   any      a sample not newer than the last judged one        -> unchanged

do $$
begin
    -- Composite types cannot be replaced; both are only ever passed, never stored.
    if to_regtype('pgvigil.alert_state') is null then
        create type pgvigil.alert_state as (
            state text,
            severity text,
            pending_at timestamptz,
            judged_at timestamptz,
            event text
        );
    end if;
    if to_regtype('pgvigil.alert_limit') is null then
        create type pgvigil.alert_limit as (
            direction text,
            warning double precision,
            critical double precision,
            clear_band double precision,
            hold interval,
            max_gap interval
        );
    end if;
end
$$;
comment on type pgvigil.alert_state is 'State of one series: ok, pending or firing; its severity; since when it was over the limit; the sample last judged; the event that brought it here, if any.';
comment on type pgvigil.alert_limit is 'The limits that a series is judged by, as the winning threshold gives them.';


create or replace function pgvigil.next_state(
    p_state pgvigil.alert_state,
    p_limit pgvigil.alert_limit,
    p_at timestamptz,
    p_value double precision
)
returns pgvigil.alert_state
language plpgsql
immutable
as $$
declare
    -- A limit from below is one from above with the signs turned.
    v_sign constant integer := case p_limit.direction when 'below' then -1 else 1 end;
    v_value constant double precision := v_sign * p_value;
    v_warning constant double precision := v_sign * p_limit.warning;
    v_critical constant double precision := v_sign * p_limit.critical;
    v_band constant double precision := coalesce(p_limit.clear_band, 0);
    -- The level that the value reaches, and the level that it has not yet left.
    v_reached constant text := case
        when v_value >= v_critical then 'critical'
        when v_value >= v_warning then 'warning'
    end;
    v_held constant text := case
        when v_value >= v_critical - v_band then 'critical'
        when v_value >= v_warning - v_band then 'warning'
    end;
    v_next pgvigil.alert_state := p_state;
begin
    v_next.event := null;
    if p_value is null or p_at <= p_state.judged_at then
        return v_next;
    end if;
    v_next.judged_at := p_at;

    if p_state.state = 'firing' then
        if v_held is null then
            v_next.state := 'ok';
            v_next.pending_at := null;
            v_next.event := 'resolved';
        elsif p_state.severity = 'warning' and v_reached = 'critical' then
            v_next.severity := 'critical';
            v_next.event := 'escalated';
        elsif p_state.severity = 'critical' and v_held = 'warning' then
            v_next.severity := 'warning';
            v_next.event := 'eased';
        end if;
        return v_next;
    end if;

    if v_reached is null then
        v_next.state := 'ok';
        v_next.severity := null;
        v_next.pending_at := null;
        return v_next;
    end if;

    if p_state.state is distinct from 'pending' or p_at - p_state.judged_at > p_limit.max_gap then
        v_next.pending_at := p_at;
    end if;
    v_next.severity := v_reached;
    if p_at - v_next.pending_at >= p_limit.hold then
        v_next.state := 'firing';
        v_next.event := 'fired';
    else
        v_next.state := 'pending';
    end if;
    return v_next;
end
$$;
comment on function pgvigil.next_state(pgvigil.alert_state, pgvigil.alert_limit, timestamptz, double precision) is 'The state after a sample, and the event that it is, if any. Pure.';
