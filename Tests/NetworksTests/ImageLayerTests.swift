import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct ImageLayerTests {
  @Test func `Outputs have the size that PyTorch computes`() {
    let shape = image(3, 11, 8)
    #expect(Convolution(shape, channels: 5, kernel: 3)!.output == image(5, 9, 6))
    #expect(Convolution(shape, channels: 5, kernel: 3, stride: 2, padding: 1)!.output == image(5, 6, 4))
    #expect(MaxPooling(shape, kernel: 2, stride: 2)!.output == image(3, 5, 4))
    #expect(AveragePooling(shape, kernel: 3, stride: 2, padding: 1)!.output == image(3, 6, 4))
    #expect(GlobalAveragePooling(shape).output == image(3, 1, 1))
    #expect(ChannelsFirst(shape).output == shape)
  }

  @Test func `A window must fit into the padded image`() {
    let shape = image(1, 4, 9)
    #expect(Convolution(shape, channels: 1, kernel: 5) == nil)
    #expect(Convolution(shape, channels: 1, kernel: 5, padding: 1) != nil)
    #expect(MaxPooling(shape, kernel: 5, stride: 1) == nil)
    #expect(AveragePooling(shape, kernel: 7, stride: 1, padding: 1) == nil)
  }

  @Test func `Pooling is padded by half of the window at most`() {
    let shape = image(1, 6, 6)
    for kernel in 1...5 {
      let half = kernel / 2
      #expect(MaxPooling(shape, kernel: kernel, stride: 1, padding: half) != nil)
      #expect(AveragePooling(shape, kernel: kernel, stride: 1, padding: half) != nil)
      #expect(MaxPooling(shape, kernel: kernel, stride: 1, padding: half + 1) == nil)
      #expect(AveragePooling(shape, kernel: kernel, stride: 1, padding: half + 1) == nil)
    }
  }

  @Test func `Max pooling takes images whose places Float can count`() {
    #expect(MaxPooling(image(1, 4096, 4095), kernel: 2, stride: 2) != nil)
    #expect(MaxPooling(image(1, 4096, 4096), kernel: 2, stride: 2) == nil)
  }

  /// The outputs, and the pixels that their cotangents go to, for one image and its maxima.
  func gradient<Scalar: BLASScalar>(_ layer: MaxPooling, _ x: [Scalar], _ g: [Scalar]) -> (y: [Scalar], g: [Scalar]) {
    let trial = LayerTrial<Scalar>(layer, rows: 1, inputs: Matrix(Vector(x), 1, x.count))
    return (trial.outputs.elements.array, trial.vjp(Matrix(Vector(g), 1, g.count)).input.elements.array)
  }

  func checkTies<Scalar: BLASScalar>(_: Scalar.Type) {
    let two = MaxPooling(image(1, 2, 4), kernel: 2, stride: 2)!
    let ties = gradient(two, [1, 1, 0, 3, 1, 1, 3, 3] as [Scalar], [5, 7])
    #expect(ties.y == [1, 3])
    #expect(ties.g == [5, 0, 0, 7, 0, 0, 0, 0])
    let overlapping = MaxPooling(image(1, 1, 4), kernel: 3, stride: 1, padding: 1)!
    let same = gradient(overlapping, [2, 2, 2, 2] as [Scalar], [1, 10, 100, 1000])
    #expect(same.y == [2, 2, 2, 2])
    #expect(same.g == [11, 100, 1000, 0])
    // Padding is below all numbers: −∞ without a larger number is still a pixel of the image.
    let bottomless = gradient(overlapping, [-.infinity, -.infinity, -.infinity, -9] as [Scalar], [1, 10, 100, 1000])
    #expect(bottomless.y == [-.infinity, -.infinity, -9, -9])
    #expect(bottomless.g == [11, 0, 0, 1100])
  }

  @Test func `Of equal numbers the first gets the cotangent`() {
    checkTies(Float.self)
    checkTies(Double.self)
  }

  func checkNaN<Scalar: BLASScalar>(_: Scalar.Type) {
    for layer in [
      MaxPooling(image(1, 2, 4), kernel: 2, stride: 2)!, MaxPooling(image(1, 2, 4), kernel: 2, stride: 2, padding: 1)!,
    ] {
      for place in 0..<8 {
        let x = (0..<8).map { $0 == place ? .nan : Scalar($0) }
        let outputs = LayerTrial<Scalar>(layer, rows: 1, inputs: Matrix(Vector(x), 1, 8)).outputs.elements.array
        #expect(outputs.count { $0.isNaN } == 1)
      }
    }
  }

  @Test func `NaN is a maximum wherever it stands in the window`() {
    checkNaN(Float.self)
    checkNaN(Double.self)
  }

  @Test func `Normalisation keeps its digits far from zero`() {
    var samples = Samples(seed: 3)
    let sketch = Sketch.layerNormalization([64])
    let offset = Matrix<Float>(Vector(samples.normals(64).map { 1e4 + 64 * Float($0) }), 1, 64)
    let trial = LayerTrial<Float>(sketch.layer, rows: 1, inputs: offset)
    let expected = sketch.outputs(trial.parameters.doubles[...], offset.elements.doubles)
    #expect(relativeError(trial.outputs.elements.doubles, expected) < 1e-6)
  }

  @Test func `A constant row is normalised to the bias`() {
    let constant = Matrix<Double>(Vector([Double](repeating: 0.1, count: 5)), 1, 5)
    let trial = LayerTrial<Double>(LayerNormalization(shape: [5]), rows: 1, inputs: constant)
    let bias = trial.parameters[5..<10].array
    #expect(zip(trial.outputs.elements.array, bias).allSatisfy { abs($0 - $1) < 1e-12 })
  }
}
