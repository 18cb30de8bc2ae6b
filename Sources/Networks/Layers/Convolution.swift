import LinearAlgebra

/// A 2-D convolution with square kernel, stride and zero padding, computed as a matrix product with the patches under
/// the kernel.
///
/// Threads share the images, and each computes its own in chunks, so that memory holds the patches of one chunk per
/// thread. Shapes: an image gives K × T patches (K = in · kernel², T positions), and the weight is O × K.
package struct Convolution: Layer {
  package let input: ImageShape
  package let output: ImageShape
  private let kernel: Int
  private let window: Window

  package var inputCount: Int { input.count }
  package var outputCount: Int { output.count }

  /// nil if the kernel is larger than the padded image.
  package init?(_ input: ImageShape, channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0) {
    precondition(channels > 0, "a convolution has output channels")
    guard let window = Window(over: input, kernel: kernel, stride: stride, padding: padding) else { return nil }
    self.input = input
    self.output = ImageShape(channels: channels, height: window.out_height, width: window.out_width)
    self.kernel = kernel
    self.window = window
  }

  package var parameterShapes: [(name: String, shape: [Int])] {
    [("weight", [output.channels, input.channels, kernel, kernel]), ("bias", [output.channels])]
  }

  /// Weights from a normal distribution of variance gain²/(in · kernel²), biases zero.
  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {
    weight(parameters).elements.fillNormal(
      deviation: gain / Double(window.patchCount).squareRoot(), using: &generator)
    bias(parameters).fill(0)
  }

  package func scratchCount(rows: Int) -> Int { workers(rows) * scratchPerThread }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    forEachChunk(of: input.rows, rooms(scratch, rows: input.rows)) { images, room in
      let block = room.outputs(output, images)
      fillChannels(of: block, with: bias(parameters))
      room.fillPatches(from: input, images)
      block.assignProduct(weight(parameters), .no, room.patches(images.count), .no, beta: 1)
      room.scatter(block, into: output, images)
    }
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    forEachChunk(of: point.input.rows, rooms(scratch, rows: point.input.rows)) { images, room in
      let block = room.outputs(outputTangent, images)
      fillChannels(of: block, with: bias(parameterTangent))
      let patches = room.patches(images.count)
      room.fillPatches(from: point.input, images)
      block.assignProduct(weight(parameterTangent), .no, patches, .no, beta: 1)
      if let inputTangent {
        room.fillPatches(from: inputTangent, images)
        block.assignProduct(weight(point.parameters), .no, patches, .no, beta: 1)
      }
      room.scatter(block, into: outputTangent, images)
    }
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    let rooms = rooms(scratch, rows: point.input.rows)
    for room in rooms { room.gradient.fill(0) }
    forEachChunk(of: point.input.rows, rooms) { images, room in
      let block = room.gather(outputCotangent, images)
      let patches = room.patches(images.count)
      room.fillPatches(from: point.input, images)
      weight(room.gradient).assignProduct(block, .no, patches, .yes, beta: 1)
      bias(room.gradient).assignProduct(block, .no, room.ones[0..<block.columns], beta: 1)
      if let inputCotangent {
        patches.assignProduct(weight(point.parameters), .yes, block, .no)
        room.putBack(patches, into: inputCotangent, images)
      }
    }
    // Each thread has summed over its own images; the sums are added in the order of the threads.
    parameterCotangent.assign(rooms[0].gradient)
    for room in rooms.dropFirst() { parameterCotangent.combine(1, room.gradient) }
  }

  package func rowGradientScratchCount(rows: Int) -> Int {
    scratchCount(rows: rows) + rows * (rowGradientCounts.first + rowGradientCounts.second)
  }

  /// Passes on patches and cotangents of all positions if their products cost less than products of the gradients: with
  /// few positions and many channels. Otherwise gradients are formed for a group of output channels at a time, as D_i
  /// P_iᵀ per image.
  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    keep(LayerCotangent(self, parts))
    let places = parts.map { _, part in
      let rows = part.point.input.rows
      return Place(
        part: part, rooms: rooms(part.scratch, rows: rows),
        rest: part.scratch[scratchCount(rows: rows)..<part.scratch.count])
    }
    if pairsPositions {
      try visitPositions(places, visit)
    } else {
      try visitGradients(places, visit)
    }
    places.forEach { _, place in
      let part = place.part
      guard let inputCotangent = part.inputCotangent else { return }
      forEachChunk(of: part.point.input.rows, place.rooms) { images, room in
        let patches = room.patches(images.count)
        patches.assignProduct(weight(part.point.parameters), .yes, room.gather(part.outputCotangent, images), .no)
        room.putBack(patches, into: inputCotangent, images)
      }
    }
  }

  /// The memory for the row gradients of a part: the rooms of threads, and the remaining scratch.
  private struct Place<Scalar: BLASScalar> {
    let part: LayerPart<Scalar>
    let rooms: [ConvolutionRoom<Scalar>]
    let rest: Vector<Scalar>
  }

  private func visitPositions<Scalar: BLASScalar, Failure: Error>(
    _ places: Parts<Place<Scalar>>, _ visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    let (T, K, O) = (window.positions, window.patchCount, output.channels)
    // Rows of T × K and of T × O numbers.
    let results = places.map { _, place in
      var carver = Carver(place.rest)
      let rows = place.part.point.input.rows
      return (patches: carver.matrix(rows, T * K), cotangents: carver.matrix(rows, T * O))
    }
    places.forEach { index, place in
      let (patches, cotangents) = results.all[index]
      forEachChunk(of: patches.rows, place.rooms) { images, room in
        for image in images {
          room.fillPatches(from: place.part.point.input, image..<image + 1)
          let seen = Matrix(room.patches(1).elements, 1, K * T)
          patches[rows: image..<image + 1].assignTransposedRows(seen, height: K, width: T)
        }
      }
      cotangents.assignTransposedRows(place.part.outputCotangent, height: O, width: T)
    }
    try visit(
      .positionProducts(
        inputs: results.all.map { Matrix($0.patches.elements, $0.patches.rows * T, K) },
        cotangents: results.all.map { Matrix($0.cotangents.elements, $0.cotangents.rows * T, O) }, positions: T))
  }

  private func visitGradients<Scalar: BLASScalar, Failure: Error>(
    _ places: Parts<Place<Scalar>>, _ visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    let (patchCount, positions) = (window.patchCount, window.positions)
    let step = gradientChannels
    for start in stride(from: 0, to: output.channels, by: step) {
      let channels = start..<min(start + step, output.channels)
      let weights = channels.count * patchCount
      let results = places.map { _, place in
        var carver = Carver(place.rest)
        return carver.matrix(place.part.point.input.rows, weights + channels.count)
      }
      places.forEach { index, place in
        let (part, gradients) = (place.part, results.all[index])
        forEachChunk(of: gradients.rows, place.rooms) { images, room in
          for image in images {
            let cotangent = Matrix(part.outputCotangent[row: image], output.channels, positions)[rows: channels]
            room.fillPatches(from: part.point.input, image..<image + 1)
            let gradient = gradients[row: image]
            Matrix(gradient[0..<weights], channels.count, patchCount)
              .assignProduct(cotangent, .no, room.patches(1), .yes)
            gradient[weights..<gradient.count].assignProduct(cotangent, .no, room.ones[0..<positions])
          }
        }
      }
      try visit(.rows(results.all))
    }
  }

  package var rowGradientCounts: (first: Int, second: Int) {
    pairsPositions
      ? (window.positions * window.patchCount, window.positions * output.channels)
      : (gradientChannels * (window.patchCount + 1), 0)
  }

  package var rowGradientCount: Int { min(parameterCount, pairCount) }

  package var work: [LayerWork] {
    var work = LayerWork()
    (work.inputs, work.outputs, work.positions) = (window.patchCount, output.channels, window.positions)
    (work.parameterCount, work.pairCount) = (parameterCount, rowGradientCount)
    work.formsGradients = !pairsPositions
    work.gatheredCount =
      pairsPositions ? window.positions * (window.patchCount + output.channels) : parameterCount
    return [work]
  }

  /// Multiplications for the gradients of two rows, over all pairs of their positions.
  private var pairCount: Int { window.positions * window.positions * (window.patchCount + output.channels) }

  private var pairsPositions: Bool { pairCount < parameterCount }

  /// The number of output channels whose gradients are formed together: as many as fit into 2¹⁴ numbers per row. It
  /// must not depend on the number of rows, which differs between ranks.
  private var gradientChannels: Int { min(output.channels, max(1, (1 << 14) / (window.patchCount + 1))) }

  /// Images per chunk: several if they are small, to keep the products large.
  private var chunk: Int { max(1, 64 / window.positions) }

  private var scratchPerThread: Int {
    chunk * window.positions * (window.patchCount + output.channels + 1) + parameterCount
  }

  /// The number of threads that share the images.
  private func workers(_ rows: Int) -> Int { max(1, min(rows, Threads.available)) }

  /// The memory of each thread.
  private func rooms<Scalar>(_ scratch: Vector<Scalar>, rows: Int) -> [ConvolutionRoom<Scalar>] {
    var carver = Carver(scratch)
    // The scratch may have been allocated for another number of threads.
    return (0..<max(1, min(workers(rows), scratch.count / scratchPerThread))).map { _ in
      ConvolutionRoom(
        carver.vector(scratchPerThread), window, output.channels, chunk: chunk, parameterCount: parameterCount)
    }
  }

  /// Calls `body` on all threads with chunks of images and the thread's room.
  private func forEachChunk<Scalar>(
    of count: Int, _ rooms: [ConvolutionRoom<Scalar>], _ body: (Range<Int>, ConvolutionRoom<Scalar>) -> Void
  ) {
    func work(_ piece: Int) {
      let end = count * (piece + 1) / rooms.count
      for start in stride(from: count * piece / rooms.count, to: end, by: chunk) {
        body(start..<min(start + chunk, end), rooms[piece])
      }
    }
    // With a single room, the threads share each product instead.
    if rooms.count == 1 { return work(0) }
    Threads.parallel(rooms.count, grain: 1) { $0.forEach(work) }
  }

  private func weight<Scalar>(_ parameters: Vector<Scalar>) -> Matrix<Scalar> {
    Matrix(parameters[0..<output.channels * window.patchCount], output.channels, window.patchCount)
  }

  private func bias<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> {
    parameters[output.channels * window.patchCount..<parameters.count]
  }

  private func fillChannels<Scalar>(of block: Matrix<Scalar>, with bias: Vector<Scalar>) {
    for channel in 0..<block.rows { block[row: channel].fill(bias[channel]) }
  }
}
