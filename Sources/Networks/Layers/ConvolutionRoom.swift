import LinearAlgebra

/// Scratch of one thread: patches and outputs of a chunk of images, and the thread's part of the gradient.
///
/// In a chunk of several images, the positions of all are side by side, so that one product covers them.
struct ConvolutionRoom<Scalar: BLASScalar> {
  private let window: Window
  private let channels: Int
  private let patchStorage, outputStorage: Vector<Scalar>
  let ones: Vector<Scalar>
  /// The gradient of weight and bias (P of the layer).
  let gradient: Vector<Scalar>

  init(_ scratch: Vector<Scalar>, _ window: Window, _ channels: Int, chunk: Int, parameterCount: Int) {
    self.window = window
    self.channels = channels
    var carver = Carver(scratch)
    patchStorage = carver.vector(chunk * window.positions * window.patchCount)
    outputStorage = carver.vector(chunk * window.positions * channels)
    ones = carver.vector(chunk * window.positions)
    ones.fill(1)
    gradient = carver.vector(parameterCount)
  }

  /// Patches of `count` images (K × count·T).
  func patches(_ count: Int) -> Matrix<Scalar> {
    let columns = count * window.positions
    return Matrix(patchStorage[0..<window.patchCount * columns], window.patchCount, columns)
  }

  func fillPatches(from source: Matrix<Scalar>, _ images: Range<Int>) {
    let elements = patches(images.count).elements
    for (index, image) in images.enumerated() {
      elements[index * window.positions..<elements.count]
        .assignPatches(of: source[row: image], window, pitch: images.count * window.positions)
    }
  }

  /// Rows of `target` for `images` ← the sums of their patches.
  func putBack(_ patches: Matrix<Scalar>, into target: Matrix<Scalar>, _ images: Range<Int>) {
    for (index, image) in images.enumerated() {
      target[row: image].assignImage(
        ofPatches: patches.elements[index * window.positions..<patches.elements.count], window,
        pitch: images.count * window.positions)
    }
  }

  /// A place for the outputs of `images` (O × count·T): the matrix itself for one image, otherwise scratch.
  func outputs(_ matrix: Matrix<Scalar>, _ images: Range<Int>) -> Matrix<Scalar> {
    let columns = images.count * window.positions
    let storage = images.count == 1 ? matrix[row: images.lowerBound] : outputStorage[0..<channels * columns]
    return Matrix(storage, channels, columns)
  }

  func scatter(_ block: Matrix<Scalar>, into matrix: Matrix<Scalar>, _ images: Range<Int>) {
    if images.count == 1 { return }
    forEachRun(images) { inBlock, image, inImage in matrix[row: image][inImage].assign(block.elements[inBlock]) }
  }

  func gather(_ matrix: Matrix<Scalar>, _ images: Range<Int>) -> Matrix<Scalar> {
    let block = outputs(matrix, images)
    if images.count == 1 { return block }
    forEachRun(images) { inBlock, image, inImage in block.elements[inBlock].assign(matrix[row: image][inImage]) }
    return block
  }

  /// Calls `body` with the outputs of each channel of each image: their ranges in a block and in the image's row.
  private func forEachRun(_ images: Range<Int>, _ body: (Range<Int>, Int, Range<Int>) -> Void) {
    let positions = window.positions
    for channel in 0..<channels {
      for (index, image) in images.enumerated() {
        let start = (channel * images.count + index) * positions
        body(start..<start + positions, image, channel * positions..<(channel + 1) * positions)
      }
    }
  }
}
