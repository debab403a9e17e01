import pytest
import torch
from torch import nn

from frommodel.prelu import PReLU


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_and_gradients_are_those_of_torch(dtype, layout):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 7, 9, 6, generator=generator).to(dtype).to(memory_format=layout)
    x[0, 0, 0, :2] = torch.tensor([0.0, -0.0])
    upstream = torch.randn(5, 7, 9, 6, generator=generator).to(dtype).to(memory_format=layout)
    found = []
    for kind in (PReLU, nn.PReLU):
        module = kind(7).to(dtype)
        with torch.no_grad():
            module.weight.copy_(torch.linspace(-0.5, 1.5, 7))
        own = x.clone(memory_format=torch.preserve_format).requires_grad_()
        out = module(own)
        out.backward(upstream)
        found.append((out, own.grad, module.weight.grad))
    (out, to_x, to_weight), (out2, to_x2, to_weight2) = found
    assert torch.equal(out, out2)
    assert out.dtype == dtype
    torch.testing.assert_close(to_x, to_x2)
    torch.testing.assert_close(to_weight, to_weight2)


def test_a_mixed_precision_gradient_reaches_a_float32_slope():
    module = PReLU(3)
    with torch.autocast("cpu", torch.bfloat16):
        module(torch.randn(2, 3, 4, 4).bfloat16()).float().sum().backward()
    assert module.weight.grad.dtype == torch.float32


def test_the_gradient_is_the_slope_of_the_values():
    module = PReLU(3).double()
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,))


def test_without_gradients_torch_does_it():
    with torch.no_grad():
        assert PReLU(3)(torch.randn(2, 3, 2, 2)).grad_fn is None
