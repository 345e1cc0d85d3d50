"""The link: from packets to arrivals with outcomes, deadlines, costs and predicted losses."""
