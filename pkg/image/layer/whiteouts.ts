/**
 * How an unpacked layer says what it takes away from those below (image-spec/layer.md#whiteouts):
 * by `marks` in its directory, as overlayfs reads them, or in a `list` beside it.
 */
export type WhiteoutFormat = 'marks' | 'list';
