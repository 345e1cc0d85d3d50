"""Classical codecs to compare with. One file each, all with the interface ``semlink.baselines.codec.PictureCodec``."""
