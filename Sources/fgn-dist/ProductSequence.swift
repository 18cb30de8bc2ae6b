import LinearAlgebra
import Networks

/// The matrix products of one conjugate gradient iteration, JVP and VJP: the floor against which an iteration is
/// measured. Convolutions multiply image by image, without forming patches.
struct ProductSequence {
  private var products: [() -> Void] = []

  init(_ network: Network, rows: Int) {
    var isFirst = true
    for layer in network.layers {
      switch layer {
      case let linear as Linear: add(linear, rows: rows, isFirst: isFirst)
      case let convolution as Convolution: add(convolution, rows: rows, isFirst: isFirst)
      default: continue
      }
      isFirst = false
    }
  }

  func run() {
    for product in products { product() }
  }

  /// The first layer has no input tangent, and its input cotangent is not needed.
  private mutating func add(_ layer: Linear, rows: Int, isFirst: Bool) {
    let (input, output) = (Matrix<Float>(zeros: rows, layer.inputCount), Matrix<Float>(zeros: rows, layer.outputCount))
    let weight = Matrix<Float>(zeros: layer.outputCount, layer.inputCount)
    for _ in 0..<(isFirst ? 1 : 2) { products.append { output.assignProduct(input, .no, weight, .yes) } }
    products.append { weight.assignProduct(output, .yes, input, .no) }
    if !isFirst { products.append { input.assignProduct(output, .no, weight, .no) } }
  }

  private mutating func add(_ layer: Convolution, rows: Int, isFirst: Bool) {
    let positions = layer.output.height * layer.output.width
    let channels = layer.output.channels
    let patchCount = (layer.parameterCount - channels) / channels
    let threads = Threads.count
    let outputs = Matrix<Float>(zeros: rows, layer.outputCount)
    let rooms = (0..<threads).map { _ in
      (
        patches: Matrix<Float>(zeros: patchCount, positions), weight: Matrix<Float>(zeros: channels, patchCount),
        gradient: Matrix<Float>(zeros: channels, patchCount)
      )
    }
    func append(_ product: @escaping (Int, Matrix<Float>) -> Void) {
      products.append {
        Threads.parallel(threads, grain: 1) { pieces in
          for piece in pieces {
            for row in rows * piece / threads..<rows * (piece + 1) / threads {
              product(piece, Matrix(outputs[row: row], channels, positions))
            }
          }
        }
      }
    }
    for _ in 0..<(isFirst ? 1 : 2) {
      append { $1.assignProduct(rooms[$0].weight, .no, rooms[$0].patches, .no) }
    }
    append { rooms[$0].gradient.assignProduct($1, .no, rooms[$0].patches, .yes) }
    if !isFirst { append { rooms[$0].patches.assignProduct(rooms[$0].weight, .yes, $1, .no) } }
  }
}
