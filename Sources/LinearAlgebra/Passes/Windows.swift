public import CKernels

/// A square window that slides over each channel of an image, stored as channels × height × width.
@_documentation(visibility: internal)
public typealias Window = fgn_window

extension Window {
  /// The number of values of an image.
  package var imageCount: Int { channels * height * width }
  /// The number of positions of the window.
  package var positions: Int { out_height * out_width }
  /// The number of values under the window at one position, over all channels.
  package var patchCount: Int { channels * kernel * kernel }

  /// Images with fewer numbers than this can be searched for maxima: `Float` represents every index.
  package static var poolingLimit: Int { 1 << 24 }
}

extension Vector {
  /// self ← the patches of `image`: patchCount rows, `pitch` numbers apart, with one number per position.
  package func assignPatches(of image: Vector, _ window: Window, pitch: Int) {
    precondition(
      image.count == window.imageCount && count >= (window.patchCount - 1) * pitch + window.positions,
      "the patches do not fit")
    assert(isDisjoint(from: image), overlap)
    withElements { patches in
      image.withElements { Scalar.im2col($0.baseAddress!, window, into: patches.baseAddress!, pitch: pitch) }
    }
  }

  /// self, as an image, ← the sum of patches put back at their positions: the adjoint of `assignPatches`.
  package func assignImage(ofPatches patches: Vector, _ window: Window, pitch: Int) {
    precondition(
      count == window.imageCount && patches.count >= (window.patchCount - 1) * pitch + window.positions,
      "the patches do not fit")
    assert(isDisjoint(from: patches), overlap)
    withElements { image in
      patches.withElements { Scalar.col2im($0.baseAddress!, pitch: pitch, window, into: image.baseAddress!) }
    }
  }
}
