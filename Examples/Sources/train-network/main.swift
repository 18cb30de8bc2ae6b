// Trains a small network on arrays in memory, in one process: which of three rings around the origin is a point in?
import GaussNewton
import LinearAlgebra
import Networks

// Your arrays: features (examples × 2), and a class for each example.
let (count, classes, batchSize) = (2000, 3, 500)
var random = SplitMix64(seed: 1)
let features = Matrix(Vector((0..<2 * count).map { _ in Float(2 * random.nextUniform() - 1) }), count, 2)
let labels = (0..<count).map { Int32(min(2, 3 * features[row: $0].squaredNorm)) }

Threads.configure(count: Threads.affinity.count)
let network = try Network([.linear(32), .activation(.tanh)], example: [2], classes: classes)
let parameters: Vector<Float> = network.initialParameters(seed: 0)
let optimizer = FastGaussNewton<Float>(network, capacity: batchSize)

for epoch in 1...20 {
  var loss = 0.0
  for start in stride(from: 0, to: count, by: batchSize) {
    let rows = start..<start + batchSize
    let batch = Batch(inputs: .dense(features[rows: rows]), labels: labels[rows], globalSize: batchSize)
    loss += try optimizer.advance(parameters, on: batch).loss
  }
  print("epoch \(epoch): loss \(loss * Double(batchSize) / Double(count))")
}

let logits = ForwardPass<Float>(network, capacity: count)(parameters, features)
let correct = (0..<count).filter { row in
  let scores = logits[row: row].array
  return scores.firstIndex(of: scores.max()!) == Int(labels[row])
}
print("accuracy: \(Double(correct.count) / Double(count))")
