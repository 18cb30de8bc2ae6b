import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct StackTests {
  static func image() -> Network {
    let first = Convolution(ImageShape(channels: 2, height: 7, width: 6), channels: 3, kernel: 3, padding: 1)!
    let second = Convolution(first.output, channels: 4, kernel: 3, stride: 2, padding: 0)!
    return Network([
      first, Activation(.tanh, count: first.outputCount), second, Activation(.gelu, count: second.outputCount),
      Flatten(count: second.outputCount), Linear(inputs: second.outputCount, outputs: 5),
    ])
  }

  @Test(arguments: [1, 7], [1, 2])
  func `A convolutional stack has an exact adjoint`(rows: Int, threads: Int) {
    withThreads(threads) {
      var samples = Samples(seed: 3)
      let network = Self.image()
      let parameters: Vector<Double> = network.initialParameters(seed: 1)
      let inputs: Matrix<Double> = samples.matrix(rows, network.inputCount)
      let linearization = Linearization<Double>(network, capacity: rows)
      linearization.linearize(at: parameters, on: inputs)
      let u: Vector<Double> = samples.vector(network.layout.count)
      let cotangent: Matrix<Double> = samples.matrix(rows, 5)
      let tangent = linearization.jvp(u).elements.copy()
      let gradient = Vector<Double>(zeros: network.layout.count)
      linearization.vjp(cotangent, into: gradient)
      let (forward, backward) = (tangent.dot(cotangent.elements), gradient.dot(u))
      #expect(abs(forward - backward) < 1e-12 * max(1, abs(forward)))
      let h = 1e-5
      let differences = [h, -h].map { h in
        let moved = parameters.copy()
        moved.combine(h, u)
        return linearization.logits(at: moved).elements.array
      }
      let expected = zip(differences[0], differences[1]).map { ($0 - $1) / (2 * h) }
      #expect(relativeError(tangent.array, expected) < 1e-6)
    }
  }
}
