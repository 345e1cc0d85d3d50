"""The channel's values as messages of the wire contract."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from channel.link.expected_loss import expected_packet_loss
from channel.link.outcome import PacketOutcome
from channel.profile.registry import DEFAULT_CHANNEL, channel_names, load_profile, parse_profile
from shared.errors import LinkError
from shared.rpc.semlink.v1 import channel_pb2, packet_pb2
from shared.units import unit_of
from shared.yaml_text import yaml_text

if TYPE_CHECKING:
    from datetime import datetime

    from channel.link.accounting import Cost, CostBreakdown
    from channel.link.link import Arrival
    from channel.link.transmission import LinkReport
    from channel.profile.profile import Profile, ResolvedProfile


def arrival_message(arrival: Arrival) -> packet_pb2.Arrival:
    """Return the arrival of one packet."""
    return packet_pb2.Arrival(
        index=arrival.index,
        fate=packet_pb2.Fate.ValueType(arrival.outcome),
        packet=None if arrival.packet is None else packet_pb2.Packet(data=arrival.packet),
        channel_uses=arrival.channel_uses,
        departure_s=arrival.departure_s,
        air_time_s=arrival.air_time_s,
        arrival_s=arrival.arrival_s,
    )


def report_message(resolved: ResolvedProfile, report: LinkReport) -> channel_pb2.LinkReport:
    """Return the totals of a transmission under ``resolved``."""
    config, found = resolved.config, resolved.contact
    total = report.cost.total
    return channel_pb2.LinkReport(
        packets=report.packets,
        delivered=report.outcomes[PacketOutcome.DELIVERED],
        fec_failed=report.outcomes[PacketOutcome.FEC_FAILED],
        erased=report.outcomes[PacketOutcome.ERASED],
        expired=report.outcomes[PacketOutcome.EXPIRED],
        reordered=report.reordered,
        channel_uses=total.channel_uses,
        information_bits=report.information_bits,
        coded_bits=total.bits_on_air,
        es_n0_db=config.es_n0_db,
        eb_n0_db=config.eb_n0_db,
        eb_n0_on_air_db=config.eb_n0_on_air_db,
        mcs=config.mcs,
        spectral_efficiency=report.spectral_efficiency,
        last_arrival_s=report.last_arrival_s,
        account=_account_message(report.cost, has_power=config.transmit_power_w is not None),
        contact=_contact_message(resolved),
        last_arrival_date=_format_utc(found.departure + timedelta(seconds=report.last_arrival_s)) if found else "",
    )


def _account_message(breakdown: CostBreakdown, *, has_power: bool) -> channel_pb2.Account:
    return channel_pb2.Account(
        charges=[_charge_message(cost) for cost in breakdown.costs],
        total=_charge_message(breakdown.total),
        cbr=breakdown.cbr,
        energy_j=breakdown.energy_j if has_power else None,
        air_time_s=breakdown.air_time_s,
        light_time_s=breakdown.light_time_s,
        spectral_efficiency=breakdown.total.spectral_efficiency,
    )


def _charge_message(cost: Cost) -> channel_pb2.Charge:
    fields = [field.name for field in channel_pb2.Charge.DESCRIPTOR.fields]
    return channel_pb2.Charge(**{name: getattr(cost, name) for name in fields})


def _description_message(name: str, profile: Profile, resolved: ResolvedProfile) -> channel_pb2.DescribeChannelResponse:
    """Return a channel with its settings, and the MCS, SNR and contact that they result in."""
    config = resolved.config
    parameters = [
        channel_pb2.Parameter(name=name, value=yaml_text(value), unit=unit_of(name))
        for name, value in profile.parameters()
    ]
    return channel_pb2.DescribeChannelResponse(
        name=name,
        summary=profile.summary,
        parameters=parameters,
        mcs=config.mcs,
        es_n0_db=config.es_n0_db,
        eb_n0_db=config.eb_n0_db,
        eb_n0_on_air_db=config.eb_n0_on_air_db,
        repair_overheads={int(kind): overhead for kind, overhead in profile.repair_overheads().items()},
        contact=_contact_message(resolved),
        packet_loss=expected_packet_loss(config),
    )


def _contact_message(resolved: ResolvedProfile) -> channel_pb2.Contact | None:
    found = resolved.contact
    if found is None or resolved.budget is None:
        return None
    return channel_pb2.Contact(
        body=found.line_of_sight.body,
        station=found.station,
        elevation_deg=found.elevation_deg,
        departure_date=_format_utc(found.departure),
        window_end_date=_format_utc(found.window.end),
        range_km=found.line_of_sight.range_km,
        light_time_s=found.line_of_sight.light_time_s,
        sun_angle_deg=found.line_of_sight.sun_angle_deg,
        behind_sun=found.line_of_sight.behind_sun,
        uplink=found.line_of_sight.uplink,
        scintillation_index=found.fading.index if found.fading else None,
        rician_k_db=found.fading.k_db if found.fading else None,
        budget=[
            channel_pb2.BudgetLine(name=line.name, value=line.value, unit=line.unit, how=line.how)
            for line in resolved.budget.lines
        ],
    )


def _format_utc(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03d}Z"


def read_profile(settings: channel_pb2.ChannelSettings) -> Profile:
    """Return the profile that ``settings`` name or contain, with their changes.

    Raises:
        UnknownNameError, ConfigError, SetupError: as ``load_profile``.
    """
    if settings.profile_yaml:
        what = settings.profile or "the channel's profile"
        return parse_profile(settings.profile_yaml, what, settings.changes)
    return load_profile(settings.profile or DEFAULT_CHANNEL, settings.changes)


def describe_channel(settings: channel_pb2.ChannelSettings) -> channel_pb2.DescribeChannelResponse:
    """Return the channel that a transmission with ``settings`` would use: its settings, MCS, SNR and contact."""
    profile = read_profile(settings)
    return _description_message(settings.profile or DEFAULT_CHANNEL, profile, profile.resolve())


def list_channels() -> channel_pb2.ListChannelsResponse:
    """Return the channels by name; one that cannot be used has the reason as its fault."""
    return channel_pb2.ListChannelsResponse(channels=[_channel_name_message(name) for name in channel_names()])


def _channel_name_message(name: str) -> channel_pb2.ChannelName:
    try:
        return channel_pb2.ChannelName(name=name, summary=load_profile(name).summary)
    except LinkError as error:
        return channel_pb2.ChannelName(name=name, fault=str(error))
